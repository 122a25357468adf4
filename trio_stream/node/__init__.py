"""The node, made of a `Config`: what it serves (`core`), whom it lets in (`credentials`), its `tasks`."""

from trio_stream.node.tasks import Addresses, Node, open_node

__all__ = ["Addresses", "Node", "open_node"]
