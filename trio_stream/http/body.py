"""Requests and answers without a framework; and bodies, kept up to a limit, read past beyond.

It is read to its end even where nobody wants it. Hypercorn 0.18 hands a body over in a
queue of ten pieces; an application that answers without taking them leaves the connection
standing for ever, its own last `send` included. And a connection that is closed on unread
bytes is reset, which takes the answer from a client that was still sending.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

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
        # One piece: small ones would take many times their size.
        kept = bytearray()
        size = 0
        while self._more and size <= READ_PAST:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece = message.get("body", b"")
            self._more = message.get("more_body", False)
            size += len(piece)
            if size <= self._limit:
                kept += piece
            else:
                kept.clear()
        return bytes(kept) if size <= self._limit else None

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


def headers_of(scope: Mapping[str, Any]) -> dict[bytes, str]:
    """A request's headers by name; of several with one name the last."""
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


async def write(
    send: Send, answer: HttpAnswer, origin: str | None, *more: tuple[str, str]
) -> None:
    """Send a whole answer, with `more` headers than its own."""
    fields = [
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        *answer.more_headers,
        *more,
        *answers.cors(origin),
    ]
    headers = [(name.encode("ascii"), text.encode("latin-1")) for name, text in fields]
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
