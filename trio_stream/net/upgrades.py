"""Connections that one server has read a request from and another one serves from then on.

The HTTP server reads the request for an upgrade to WebSocket, and the WebSocket server answers it.
The two don't know each other; each is given the same `Upgrades`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import trio

from trio_stream.net.request_reader import Head


class Visitor(NamedTuple):
    """A connection that wants to become a WebSocket."""

    stream: trio.abc.Stream
    raw: socket.socket
    """The socket below `stream`. Whoever takes the connection closes it."""
    peer: str
    secure: bool
    """Is it encrypted?"""
    head: Head | None = None
    """The request, if it has been read; it has no answer yet."""


class Upgrades:
    """Hands connections over to whoever receives them at the moment."""

    def __init__(self, others: Collection[str] = ()) -> None:
        self.others = tuple(path.encode("ascii") for path in others)
        """Paths of other protocols than that of the streams."""
        self._receive: Callable[[Visitor], None] | None = None

    @contextmanager
    def received_by(self, receive: Callable[[Visitor], None]) -> Iterator[None]:
        """Until the end of the block, `receive` is given each connection."""
        self._receive = receive
        try:
            yield
        finally:
            self._receive = None

    def hand_over(self, visitor: Visitor) -> bool:
        """Give a connection away; False if nobody receives it. A plain function."""
        if self._receive is None:
            return False
        self._receive(visitor)
        return True


class Caller(NamedTuple):
    """A client whose upgrade to WebSocket is valid and allowed, and that has no answer yet."""

    stream: trio.abc.Stream
    raw: socket.socket | None
    """The socket below `stream`."""
    key: str
    """Its `Sec-WebSocket-Key`."""
    protocol: str | None
    """The subprotocol to accept."""
    early: bytes
    """What it sent after its request."""
    may_post: bool
    """May it make a node do something?"""
    lift: Callable[[], None]
    """To be called when it has its 101: there is no deadline then."""
    as_long_as_allowed: Callable[[Callable[[], None]], AbstractContextManager[None]]
    """Until the end of the block, what is given is called if it is not allowed any more."""
