"""Plain ASGI requests and answers. Bodies are kept up to a limit and drained beyond it.

A body is read to its end even if nobody wants it. Hypercorn 0.18 hands it over through a queue of
ten pieces: an application that answers without taking them blocks the connection for ever, its own
last `send` included. And closing a connection with unread bytes resets it, so that a client that
was still sending would lose the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

# How much is drained before the answer; the rest is drained while the answer is sent.
READ_PAST = 16 * 1024 * 1024


class Disconnected(Exception):
    """The client disconnected before its request was complete."""


class Body:
    """A body from ASGI's `receive`, of which at most `limit` bytes are kept."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._more = True

    async def read(self) -> bytes | None:
        """The whole body; None if it exceeds the limit. Raises `Disconnected`."""
        # Joined at once, since many small pieces would take several times their size.
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
        """Send the answer, and meanwhile drain what the client still sends."""
        if not self._more:
            await write()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain)
            await write()
            nursery.cancel_scope.cancel()

    async def _drain(self) -> None:
        while (await self._receive())["type"] == "http.request":
            pass


def headers_of(scope: Mapping[str, Any]) -> dict[bytes, str]:
    """A request's headers by name; if a name occurs several times, the last one."""
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


async def write(
    send: Send, answer: HttpAnswer, origin: str | None, *more: tuple[str, str]
) -> None:
    """Send a whole answer, with `more` headers besides its own."""
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
