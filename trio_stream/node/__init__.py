"""What a configuration makes: what is served, who is let in, and the tasks of a daemon.

A node's are made by `core` and `tasks`, a follower's by `following`; `credentials` and `doors` are
for both.
"""

from trio_stream.node.opened import Addresses, Opened
from trio_stream.node.tasks import open_node

__all__ = ["Addresses", "Opened", "open_node"]
