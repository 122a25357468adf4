"""What a `Config` makes: what is served (`core`), who is let in (`credentials`), the `tasks`."""

from trio_stream.node.tasks import Addresses, Node, open_node

__all__ = ["Addresses", "Node", "open_node"]
