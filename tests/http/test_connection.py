"""Plain requests in front of hypercorn, on real sockets, beside all others on one connection."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests import http_door
from tests.access.test_tokens import SECRET, entry
from tests.http_door import LARGE, everything
from trio_stream.access.guard import Guard, Incoming, Verdict
from trio_stream.access.tokens import read_tokens
from trio_stream.http import server
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.http.connection import HttpConnection
from trio_stream.http.places import FULL, HttpGuest, HttpPlaces
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
async def opened(guard: Guard | None = None) -> AsyncIterator[Door]:
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
        guard=guard,
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


CLOSING = BEHIND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_connection_closes_after_the_answer_if_the_client_asks_for_that() -> (
    None
):
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(CLOSING)
        assert (await everything(stream)).endswith(b"<behind>")


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        (CHUNKED + b"1\r\nx\r\n", b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n"),
        (b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET /front/large HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    ],
)
async def test_who_owes_something_is_told_why_and_who_does_not_read_is_cut(
    begun: bytes, told: bytes, patient_clock: MockClock
) -> None:
    limits = {"max_connections": 1, "max_connections_per_address": 0}
    async with http_door.opened(**limits) as door, await door.connect() as stream:
        await stream.send_all(begun)
        await trio.sleep(2)
        assert b"<0>" in await door.ask(http_door.GET)
        said = b""
        try:
            async for piece in stream:
                said += piece
        except trio.BrokenResourceError:
            pass
        assert said.startswith(told) and len(said) < LARGE


async def test_an_answer_without_room_is_a_refusal() -> None:
    async with http_door.opened(bytes_under_way=LARGE) as door:
        large = http_door.GET.replace(b"/", b"/large", 1)
        said = await door.ask(large)
    assert said.startswith(b"HTTP/1.1 503 ") and b"Too much is under way" in said


async def test_a_large_answer_is_whole_and_a_reset_within_it_stays_there() -> None:
    large = http_door.GET.replace(b"/", b"/large", 1)
    async with http_door.opened() as door:
        head, _, body = (await door.ask(large)).partition(b"\r\n\r\n")
        assert body == b"x" * LARGE
        async with await door.connect() as stream:
            await stream.send_all(large)
            await stream.receive_some(1)
            # Closing with unread bytes resets the connection.
        assert b"<0>" in await door.ask(http_door.GET)


async def test_an_answer_in_pieces_comes_piece_by_piece() -> None:
    async with http_door.opened() as door, await door.connect() as stream:
        await stream.send_all(http_door.GET.replace(b"/", b"/pieces", 1))
        said = b""
        while not said.endswith(b"\r\n\r\n<"):
            said += await stream.receive_some()
        door.go.set()
        assert await everything(stream) == b"0>"


@pytest.mark.parametrize("size", [100, 100_000])
async def test_bytes_after_the_last_request_are_dropped(size: int) -> None:
    async with http_door.opened() as door, await door.connect() as stream:
        await stream.send_all(http_door.HOLD)
        await door.held.wait()
        await stream.send_all(b"y" * size)
        await wait_all_tasks_blocked(0.01)
        door.go.set()
        said = await stream.receive_some()
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_head_and_a_second_request_may_come_in_parts() -> None:
    async with http_door.opened() as door, await door.connect() as stream:
        hold = b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
        for part in (hold[:3], hold[3:9], hold[9:]):
            await stream.send_all(part)
            await wait_all_tasks_blocked(0.001)
        await door.held.wait()
        for part in (GET[:-5], GET[-5:]):
            await stream.send_all(part)
            await wait_all_tasks_blocked(0.001)
        door.go.set()
        assert await said(stream, 2) == [b"<0>", b"<0>"]


async def test_a_stop_closes_a_connection_that_has_sent_half_a_head() -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(BEHIND)
        assert await said(stream, 1) == [b"<behind>"]
        await stream.send_all(BEHIND[:9])
        await wait_all_tasks_blocked(0.001)
        door.stop.set()
        assert await everything(stream) == b""


async def test_a_body_behind_hypercorn_may_come_in_parts() -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(CHUNKED)
        for part in (b"1\r\nx", b"\r\n1\r", b"\ny\r\n", b"0\r\n\r\n"):
            await stream.send_all(part)
            await wait_all_tasks_blocked(0.001)
        assert await said(stream, 1) == [b"<behind>"]


async def test_a_connection_that_never_became_tls_ends() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours, theirs = memory_stream_pair()
    limits = HttpLimits()
    guest = HttpGuest(HttpPlaces(limits), "127.0.0.1", print)
    connection = HttpConnection(
        ASGIWrapper(_behind),
        Config(),
        WorkerContext(None),
        trio.SSLStream(ours, context, server_side=True),
        direct=lambda request: None,
        limits=limits,
        guest=guest,
        on_idle=lambda: None,
    )
    await theirs.send_all(b"GET / HTTP/1.1\r\n\r\n")
    await connection.run()
    assert not connection.end(FULL)
    connection.let_go()
    connection.let_go()
    assert connection.is_idle


class Judge(Guard):
    """Knows one token, and how many requests it has judged."""

    def __init__(self) -> None:
        tokens = read_tokens(entry(may='["read", "post"]'))
        super().__init__(tokens=tokens, make_ticket=str, clock=lambda: 0)
        self.judged = 0

    def judge(self, incoming: Incoming) -> Verdict:
        self.judged += 1
        return super().judge(incoming)


async def test_each_plain_request_is_judged_once() -> None:
    guard = Judge()
    head = b"HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n" % SECRET.encode()
    post = b"POST /front %bContent-Length: 2\r\n\r\n" % head
    async with opened(guard) as door, await door.connect() as stream:
        await stream.send_all(b"GET /front %b\r\nGET /behind %b\r\n" % (head, head))
        assert await said(stream, 2) == [b"<0>", b"<behind>"]
        await wait_all_tasks_blocked()
        await stream.send_all(post)
        await wait_all_tasks_blocked()
        await stream.send_all(b"{}")
        assert await said(stream, 1) == [b"<2>"]
        await wait_all_tasks_blocked()
        await stream.send_all(post.replace(b"front", b"behind"))
        await wait_all_tasks_blocked()
        await stream.send_all(b"{}")
        assert await said(stream, 1) == [b"<behind>"]
    assert guard.judged == 4


async def test_a_plain_request_that_is_refused_leaves_its_connection_open() -> None:
    guard = Judge()
    get = b"GET /front HTTP/1.1\r\nHost: a\r\n\r\n"
    async with opened(guard) as door, await door.connect() as stream:
        await stream.send_all(get * 3)
        answer = b""
        while answer.count(b"HTTP/1.1 401 ") < 3:
            answer += await stream.receive_some()
    assert guard.judged == 3


async def test_a_plain_body_that_is_refused_is_not_waited_for() -> None:
    guard = Judge()
    post = b"POST /front HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
    async with opened(guard) as door, await door.connect() as stream:
        await stream.send_all(post)
        answer = b""
        while more := await stream.receive_some():
            answer += more
    assert answer.startswith(b"HTTP/1.1 401 ") and b"connection: close" in answer
    assert guard.judged == 1
