"""The body of a request: kept up to a limit, read past beyond it.

It is read to its end even where nobody wants it. Hypercorn 0.18 hands a body over in a
queue of ten pieces; an application that answers without taking them leaves the connection
standing for ever, its own last `send` included. And a connection that is closed on unread
bytes is reset, which takes the answer from a client that was still sending.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

Receive = Callable[[], Awaitable[Any]]

# What is read past before the answer; then it goes out while the rest is read past.
READ_PAST = 16 * 1024 * 1024


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Body:
    """A body as ASGI's `receive` gives it, of which up to `limit` bytes are kept."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._more = True

    async def read(self) -> bytes | None:
        """The whole of it; None if it is longer than the limit. Raises `Disconnected`."""
        kept: list[bytes] = []
        size = 0
        while self._more and size <= READ_PAST:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece = message.get("body", b"")
            self._more = message.get("more_body", False)
            size += len(piece)
            kept.append(piece)
            if size > self._limit:
                kept.clear()
        return b"".join(kept) if size <= self._limit else None

    async def answered_by(self, write: Callable[[], Awaitable[None]]) -> None:
        """Send the answer, and take meanwhile what the client still sends."""
        if not self._more:
            await write()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_past)
            await write()
            nursery.cancel_scope.cancel()

    async def _read_past(self) -> None:
        while (await self._receive())["type"] == "http.request":
            pass
