"""Which methods are passed to a node, and what a client must be allowed for them."""

from __future__ import annotations

from typing import Final

_CLOSED: Final = ("unsafe_", "dial_")
"""Beginnings of what a node offers to its operator alone, if at all."""

_POSTING: Final = ("broadcast",)
"""Beginnings of what changes something."""


def is_closed(method: str) -> bool:
    """Is the method never passed to a node? It is answered as one that does not exist."""
    return method.startswith(_CLOSED)


def is_posting(method: str) -> bool:
    """Does the method hand something to the network? It must not be called twice."""
    return method.startswith(_POSTING)
