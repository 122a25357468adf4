"""One HTTP connection, over streams in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import trio
from trio.testing import (
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from scripts.http_client import HttpConnection as Client
from trio_stream.http_connection import App, HttpConnection, Limits


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what was asked."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    line = f"{scope['method']} {scope['path']} {scope['query_string'].decode()}|"
    await answer(send, 200, line.encode() + body)


async def answer(send: Any, status: int, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Answers without reading the body."""
    await answer(send, 405, b"no")


@asynccontextmanager
async def served(
    app: App = echo,
    pair: Callable[[], tuple[Any, Any]] = memory_stream_pair,
    limits: Limits = Limits(),  # noqa: B008  # frozen
) -> AsyncIterator[tuple[Any, HttpConnection]]:
    """The client's end of a connection that is being served, and the server's."""
    ours, theirs = pair()
    connection = HttpConnection(
        app, theirs, {"scheme": "http"}, limits=limits, server=b"x"
    )

    async def serve() -> None:
        await connection.run()
        await theirs.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)  # noqa: ASYNC113  # it needs no start
        yield ours, connection
        await ours.aclose()


async def everything(stream: Any) -> bytes:
    """What comes until the connection is closed."""
    return b"".join([bytes(piece) async for piece in stream])


def ask(stream: Any) -> Client:
    return Client(stream, "test")


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with served() as (stream, _):
        client = ask(stream)
        first = await client.request("POST", "/a%20b?c=d", b"body")
        second = await client.request("GET", "/")
    assert first.body == b"POST /a b c=d|body"
    assert second.body == b"GET / |"
    assert first.headers["server"] == "x" and "date" in first.headers


async def test_reason_phrases_are_in_capitals() -> None:
    async with served(deaf) as (stream, _):
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await everything(stream)).startswith(
            b"HTTP/1.1 405 METHOD NOT ALLOWED\r\n"
        )


async def test_a_request_may_come_byte_by_byte_and_the_next_with_it() -> None:
    one = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    two = (
        b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with served() as (stream, _):
        for byte in one + two:
            await stream.send_all(bytes([byte]))
        got = await everything(stream)
    assert b"POST /1 |abc" in got and got.endswith(b"POST /2 |de")


async def test_head_is_answered_without_a_body_and_with_its_length() -> None:
    async with served(deaf) as (stream, _):
        await stream.send_all(b"HEAD / HTTP/1.0\r\n\r\n")
        got = await everything(stream)
    assert b"content-length: 2\r\n" in got and got.endswith(b"\r\n\r\n")


async def test_an_answer_may_be_streamed() -> None:
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in (b"1", b"2"):
            await send(
                {"type": "http.response.body", "body": number, "more_body": True}
            )
            seen.append(number)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with served(app, lockstep_stream_pair) as (stream, _):
        assert (await ask(stream).request("GET", "/")).body == b"12"


async def test_who_waits_for_100_continue_gets_it_when_the_body_is_wanted() -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
        b"Connection: close\r\nExpect: 100-continue\r\n\r\n"
    )
    async with served() as (stream, _):
        await stream.send_all(head)
        await wait_all_tasks_blocked()
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 CONTINUE")
        await stream.send_all(b"x")
        assert (await everything(stream)).endswith(b"|x")


async def test_who_waits_for_100_continue_in_vain_is_answered_and_closed(
    autojump_clock: object,
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    async with served(deaf) as (stream, _):
        await stream.send_all(head)
        got = await everything(stream)
    assert got.startswith(b"HTTP/1.1 405") and got.endswith(b"no")


async def test_a_body_that_nobody_reads_does_not_end_the_connection() -> None:
    async with served(deaf) as (stream, _):
        client = ask(stream)
        for _i in range(2):
            assert (await client.request("POST", "/", b"x" * 100_000)).status == 405


async def test_an_endless_body_is_answered_and_cut(autojump_clock: object) -> None:
    async with served(deaf) as (stream, _):
        await stream.send_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
        )
        for _i in range(80):
            await stream.send_all(b"x" * 65536)
        assert b"405" in await everything(stream)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 BAD REQUEST"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400 BAD REQUEST"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            b"400 BAD REQUEST",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"400 BAD REQUEST",
        ),
        (b"GET /" + b"a" * 20_000, b"431 REQUEST HEADER FIELDS TOO LARGE"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505 HTTP VERSION NOT SUPPORTED"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400 BAD REQUEST"),
    ],
)
async def test_what_is_no_http_is_refused_and_closed(
    sent: bytes, status: bytes, autojump_clock: object
) -> None:
    async with served() as (stream, _):
        await stream.send_all(sent)
        got = await everything(stream)
    assert got.startswith(b"HTTP/1.1 " + status)
    assert b"content-type: text/html\r\n" in got


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_a_byte_after_a_request_to_upgrade_does_no_harm(protocol: bytes) -> None:
    request = (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
        + protocol
        + b"\r\nHTTP2-Settings: AAMAAABk\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    async with served() as (stream, _):
        await stream.send_all(request + b"\x81")
        await stream.send_eof()
        assert (await everything(stream)).startswith(b"HTTP/1.1 200 OK")


async def test_an_application_that_fails_gives_500_and_a_traceback(
    caplog: pytest.LogCaptureFixture, autojump_clock: object
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError("boom")

    async with served(app) as (stream, _):
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await everything(stream)).startswith(
            b"HTTP/1.1 500 INTERNAL SERVER ERROR"
        )
    assert "boom" in caplog.text


@pytest.mark.parametrize("begun", [False, True])
async def test_an_answer_that_is_not_finished_is_no_answer(
    begun: bool, autojump_clock: object
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send(
                {"type": "http.response.body", "body": b"half", "more_body": True}
            )

    async with served(app) as (stream, _):
        client = ask(stream)
        if begun:
            with pytest.raises(h11.RemoteProtocolError):
                await client.request("GET", "/")
        else:
            assert (await client.request("GET", "/")).status == 500


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (b"", 75),
        (b"GET / HT", 10),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", 30),
    ],
)
async def test_silence_is_not_waited_for_for_ever(
    sent: bytes, seconds: float, autojump_clock: object
) -> None:
    async with served() as (stream, _):
        start = trio.current_time()
        if sent:
            await stream.send_all(sent)
        assert await everything(stream) == b""
        assert trio.current_time() - start == pytest.approx(seconds)


async def test_a_peer_that_never_reads_is_cut(autojump_clock: object) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, b"x" * 200_000)

    async with served(app, lockstep_stream_pair) as (stream, connection):
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.sleep(61)
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_a_slow_reader_gets_everything(autojump_clock: object) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, b"x" * 1_000_000)

    async with served(app, lockstep_stream_pair) as (stream, _):
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = b""
        while piece := await stream.receive_some(20_000):
            got += piece
            await trio.sleep(10)
    assert got.endswith(b"x" * 1_000_000)


async def test_stopped_while_idle_it_ends_at_once(autojump_clock: object) -> None:
    async with served() as (stream, connection):
        await stream.send_all(b"GET / HT")
        await wait_all_tasks_blocked()
        connection.stop()
        start = trio.current_time()
        assert await everything(stream) == b""
        assert trio.current_time() == start


async def test_stopped_in_a_request_it_ends_after_the_answer() -> None:
    go = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await answer(send, 200, b"last")

    async with served(app) as (stream, connection):
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await wait_all_tasks_blocked()
        connection.stop()
        go.set()
        got = await everything(stream)
    assert b"connection: close\r\n" in got.lower() and got.endswith(b"last")


async def test_who_is_refused_may_be_gone() -> None:
    async with served() as (stream, _):
        await stream.send_all(b"nonsense\r\n\r\n")
        await stream.aclose()


async def test_after_the_body_an_application_waits_in_vain(
    autojump_clock: object,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["more_body"] is False
        with trio.move_on_after(60) as patience:
            await receive()
        await answer(send, 200, b"%d" % patience.cancelled_caught)

    async with served(app) as (stream, _):
        assert (await ask(stream).request("GET", "/")).body == b"1"
