"""What a request needs a token for, by its method and path.

Only what is listed here is open to everybody once there are tokens: what probes ask, and the pages
and programs that are the same on every node. Everything else needs a permission, also what is added
later, and what does not exist.
"""

from __future__ import annotations

from typing import Final

from trio_stream.access.tokens import Permission

TICKETS: Final = "/api/v1/tickets"
METRICS: Final = "/metrics"

_OPEN: Final = frozenset(("/", "/client.js", "/client.d.ts", "/favicon.ico", "/manual"))
_OPEN_BELOW: Final = ("/static/", "/manual/", "/health/")
_READING: Final = frozenset(("GET", "HEAD"))
_CALLS: Final = "/"
"""Where a follower takes calls by POST: reading ones as well, and looks at each by itself."""
_BROADCASTING: Final = "/broadcast_"
"""What a follower passes to a node, and the node to the network."""


def needed(method: str, path: str) -> Permission | None:
    """The permission that a request needs; None if it needs none. `path` is decoded."""
    if method == "OPTIONS":
        # What a browser asks before it sends a token.
        return None
    if method not in _READING:
        reads = path == _CALLS or path.rstrip("/") == TICKETS
        return Permission.READ if reads else Permission.POST
    if path.startswith(_BROADCASTING):
        return Permission.POST
    if path in _OPEN or (path.startswith(_OPEN_BELOW) and ".." not in path):
        return None
    # Whatever stands before it: frameworks differ in what they make of `//` and the like.
    is_metrics = path.rstrip("/").endswith(METRICS)
    return Permission.METRICS if is_metrics else Permission.READ
