"""The HTTP server in front of an application that does what tests need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from trio_stream.http import server
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.http.plain import Plain
from trio_stream.http.server import HttpLimits

LARGE = 8 * 1024 * 1024
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HOLD = GET.replace(b"/", b"/hold", 1)


class Door:
    """Waits for `go` at /hold, sends much at /large, else answers with the body's length.

    What begins with /front is answered in front of hypercorn; /pieces waits for `go` in the
    middle of its answer.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.stop = trio.Event()
        self.ended = trio.Event()
        self.held = trio.Event()
        self.go = trio.Event()
        self.under_way = 0

    def direct(self, request: Plain) -> Awaitable[HttpAnswer | Streamed] | None:
        if not request.path.startswith("/front"):
            return None
        return self._answer(request.path, len(request.body))

    async def _answer(self, path: str, received: int) -> HttpAnswer:
        self.under_way += 1
        try:
            if path.endswith("/hold"):
                self.held.set()
                await self.go.wait()
            if path.endswith("/large"):
                return HttpAnswer(200, b"x" * LARGE)
            return HttpAnswer(200, b"<%d>" % received)
        finally:
            self.under_way -= 1

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        received = 0
        while True:
            message = await receive()
            received += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        answer = await self._answer(scope["path"], received)
        headers = [(b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/pieces":
            first, answer = answer.body[:1], answer._replace(body=answer.body[1:])
            part = {"type": "http.response.body", "body": first, "more_body": True}
            await send(part)
            await self.go.wait()
        await send({"type": "http.response.body", "body": answer.body})

    async def connect(self, address: str = "127.0.0.1") -> trio.SocketStream:
        """Connect from this address."""
        return await trio.open_tcp_stream("127.0.0.1", self.port, local_address=address)

    async def ask(self, request: bytes, address: str = "127.0.0.1") -> bytes:
        """The answer to a request on a connection of its own."""
        async with await self.connect(address) as stream:
            await stream.send_all(request)
            return await everything(stream)


async def everything(stream: trio.SocketStream) -> bytes:
    """Everything up to the end of the connection."""
    return b"".join([bytes(piece) async for piece in stream])


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Door]:
    """A server on a free port, stopped when the block ends. Takes `turn`, and limits."""
    turn = settings.pop("turn", trio.lowlevel.checkpoint)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    door = Door(listeners[0].socket.getsockname()[1])
    door_serve = partial(
        server.serve,
        door.app,
        listeners,
        tls=None,
        limits=HttpLimits(**settings),
        stop=door.stop,
        direct=door.direct,
        turn=turn,
    )

    async def serve(  # noqa: ASYNC128  # what it serves reports that it has started
        *, task_status: trio.TaskStatus[object]
    ) -> None:
        try:
            await door_serve(task_status=task_status)
        finally:
            door.ended.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield door
        door.stop.set()
