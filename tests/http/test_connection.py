"""Plain requests in front of hypercorn, on real sockets, beside all others on one connection."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from trio_stream.http import server
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.pages import Streamed
from trio_stream.http.plain import Plain
from trio_stream.http.server import HttpLimits

MOST = 1_000_000
GET = b"GET /front HTTP/1.1\r\nHost: a\r\n\r\n"
BEHIND = b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, path: bytes = b"/front") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (
        path,
        len(body),
        body,
    )


class Door:
    """Plain requests are answered with the body's length, others with `behind`."""

    def __init__(self, port: int, stop: trio.Event) -> None:
        self.port = port
        self.stop = stop
        self.held, self.go = trio.Event(), trio.Event()

    def direct(self, request: Plain) -> Awaitable[HttpAnswer | Streamed] | None:
        if request.path == "/behind":
            return None
        return self._answer(request)

    async def _answer(self, request: Plain) -> HttpAnswer | Streamed:
        if request.path == "/hold":
            self.held.set()
            await self.go.wait()
        return HttpAnswer(200, b"<%d>" % len(request.body))

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


async def _behind(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<behind>"})


@asynccontextmanager
async def opened() -> AsyncIterator[Door]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    door = Door(listeners[0].socket.getsockname()[1], trio.Event())
    serve = partial(
        server.serve,
        _behind,
        listeners,
        tls=None,
        stop=door.stop,
        direct=door.direct,
        limits=HttpLimits(max_body_bytes=MOST),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield door
        door.stop.set()


async def said(stream: trio.SocketStream, count: int) -> list[bytes]:
    """The next so many marks in the answers."""
    data = b""
    while len(found := re.findall(rb"<\w+>", data)) < count:
        more = await stream.receive_some()
        assert more, data
        data += more
    return found


async def test_both_kinds_take_turns_on_one_connection() -> None:
    async with opened() as door, await door.connect() as stream:
        for _ in range(2):
            await stream.send_all(GET)
            assert await said(stream, 1) == [b"<0>"]
            await stream.send_all(BEHIND)
            assert await said(stream, 1) == [b"<behind>"]
            # Hypercorn is done with a request some steps after its answer.
            await trio.testing.wait_all_tasks_blocked()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(post(b"x") + GET + BEHIND + BEHIND + GET + post(b"xy"))
        expected = [b"<1>", b"<0>", b"<behind>", b"<behind>"]
        assert (await said(stream, 4))[:4] == expected


async def test_pieces_become_one_request() -> None:
    body = b"x" * (MOST - 1)
    async with opened() as door, await door.connect() as stream:
        sent = post(body)
        for begin, end in [(0, 60), (60, 61), (61, 70_000), (70_000, len(sent))]:
            await stream.send_all(sent[begin:end])
            await trio.testing.wait_all_tasks_blocked(0.001)
        assert await said(stream, 1) == [b"<%d>" % len(body)]
        # Cut in its head, it is a request like any other.
        await stream.send_all(GET[:9])
        await trio.testing.wait_all_tasks_blocked(0.001)
        await stream.send_all(GET[9:])
        assert await said(stream, 1) == [b"<behind>"]
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(GET)
        assert await said(stream, 1) == [b"<0>"]


async def test_a_body_over_the_limit_is_refused_before_it_comes() -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(post(b"x" * (MOST + 1))[:-MOST])
        data = b"".join([piece async for piece in stream])
    assert data.startswith(b"HTTP/1.1 413 REQUEST ENTITY TOO LARGE\r\n")


async def test_a_client_that_closes_within_a_body_gets_no_answer() -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(post(b"x" * 100)[:-50])
        await stream.send_eof()
        assert b"<" not in b"".join([piece async for piece in stream])


async def test_the_one_in_hand_is_answered_while_the_server_stops() -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        await door.held.wait()
        door.stop.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        door.go.set()
        assert b"".join([piece async for piece in stream]).endswith(b"<0>")
