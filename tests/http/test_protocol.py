"""What the HTTP server answers to each kind of request, on real sockets (RFC 9110, RFC 9112)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from tests.access.test_tokens import SECRET, entry
from trio_stream.access.guard import Guard
from trio_stream.access.rates import Rate
from trio_stream.access.tokens import read_tokens
from trio_stream.http import answers, server
from trio_stream.http.body import write
from trio_stream.http.server import HttpLimits
from trio_stream.net.upgrades import Upgrades, Visitor
from trio_stream.stream.selection import STREAMS_PATH

MOST = 1000
GET = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://o\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = POST.replace(b": 2\r\n\r\n{}", b": %d\r\n\r\n" % (MOST + 1))
H2C = GET.replace(
    b"Origin",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nA",
)
WEBSOCKET = GET.replace(
    b"Origin",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin",
)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the method, the target, the host and the length of the body."""
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    host = dict(scope["headers"]).get(b"host", b"").decode()
    target = scope["path"] + "?" + scope["query_string"].decode()
    text = f"<{scope['method']} {target} {host} {size}>"
    await write(send, answers.HttpAnswer(200, text.encode()), None)


@asynccontextmanager
async def opened(
    guard: Guard | None = None, upgrades: Upgrades | None = None
) -> AsyncIterator[int]:
    """The port of a server that leaves all requests to its application."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    serve = partial(
        server.serve,
        _app,
        listeners,
        tls=None,
        stop=stop,
        limits=HttpLimits(max_body_bytes=MOST),
        guard=guard,
        upgrades=upgrades,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield listeners[0].socket.getsockname()[1]
        stop.set()


class Said:
    """An answer, and whether its connection was closed after it."""

    def __init__(self, data: bytes, closed: bool) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1]) if status else None
        self.headers = dict(each.lower().split(": ", 1) for each in fields)
        self.closed = closed


async def ask(port: int, sent: bytes, marks: int = 0) -> Said:
    """What is answered, up to the end or to this many of the application's marks."""
    data = b""
    with trio.fail_after(30):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(sent)
            while not marks or len(re.findall(b"<.*?>", data)) < marks:
                more = await stream.receive_some()
                if not more:
                    return Said(data, closed=True)
                data += more
    return Said(data, closed=False)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with opened() as port:
        yield port


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (GET, b"<GET /? a 0>"),
        (GET.replace(b"/ ", b"/a?b=c?d "), b"<GET /a?b=c?d a 0>"),
        (GET.replace(b"/ ", b"http://b:1/a?c "), b"<GET /a?c b:1 0>"),
        (GET.replace(b"/ ", b"HTTP://b "), b"<GET /? b 0>"),
        (GET.replace(b"GET /", b"OPTIONS *"), b"<OPTIONS /? a 0>"),
        (GET.replace(b"GET", b"BREW"), b"<BREW /? a 0>"),
        (GET.replace(b"1.1", b"1.2"), b"<GET /? a 0>"),
        (b"\r\n" + GET, b"<GET /? a 0>"),
        (H2C, b"<GET /? a 0>"),
        (H2C.replace(b"h2c", b"TLS/1.0"), b"<GET /? a 0>"),
        (POST, b"<POST /? a 2>"),
        (POST.replace(b"Host", b"Upgrade: h2c\r\nHost"), b"<POST /? a 2>"),
        (POST.replace(b": 2", b": 2, 2"), b"<POST /? a 2>"),
        (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", b"<POST /? a 2>"),
        (CHUNKED + b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nA: b\r\n\r\n", b"<POST /? a 2>"),
    ],
)
async def test_a_good_request_is_answered_and_its_connection_kept(
    sent: bytes, answer: bytes, port: int
) -> None:
    said = await ask(port, sent, 1)
    assert (said.status, said.body) == (200, answer)
    # The next one is understood, whether it comes at once or behind an empty line.
    said = await ask(port, sent + GET + b"\r\n" + GET, 3)
    assert said.body.endswith(b"<GET /? a 0>")


@pytest.mark.parametrize(
    "sent",
    [
        GET.replace(b"1.1", b"1.0"),
        GET.replace(b"1.1", b"1.0").replace(b"Host: a\r\n", b""),
        GET.replace(b"Host", b"Connection: close\r\nHost"),
        GET.replace(b"Host", b"Connection: x, Close\r\nHost"),
    ],
)
async def test_a_connection_closes_after_the_answer_if_the_client_asks_for_that(
    sent: bytes, port: int
) -> None:
    said = await ask(port, sent)
    assert said.status == 200
    assert said.headers["connection"] == "close"


REFUSED = {
    "no path": (GET.replace(b"/ ", b"?x "), 400),
    "a relative path": (GET.replace(b"/ ", b"api/v1 "), 400),
    "a fragment": (GET.replace(b"/ ", b"/#a "), 400),
    "a star": (GET.replace(b"/ ", b"* "), 400),
    "a user": (GET.replace(b"/ ", b"http://u@b/ "), 400),
    "no target": (GET.replace(b"/ ", b""), 400),
    "no version": (GET.replace(b" HTTP/1.1", b""), 400),
    "no Host": (GET.replace(b"Host: a\r\n", b""), 400),
    "two Hosts": (GET.replace(b"Host", b"Host: a\r\nHost"), 400),
    "an impossible Host": (GET.replace(b": a", b": a/b"), 400),
    "a blank before the colon": (GET.replace(b"Host", b"A : b\r\nHost"), 400),
    "a line that is no field": (GET.replace(b"Host", b"A\r\nHost"), 400),
    "a zero byte": (GET.replace(b"Host", b"A: \0\r\nHost"), 400),
    "two lengths": (POST.replace(b"Host", b"Content-Length: 3\r\nHost"), 400),
    "a length with a sign": (POST.replace(b": 2", b": +2"), 400),
    "length and chunks": (CHUNKED.replace(b"Host", b"Content-Length: 2\r\nHost"), 400),
    "chunks in 1.0": (CHUNKED.replace(b"1.1", b"1.0"), 400),
    "no chunk": (CHUNKED + b"nonsense\r\n", 400),
    "a last coding that is not chunked": (CHUNKED.replace(b"chunked", b"gzip"), 400),
    "another coding": (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
    "lower case": (GET.replace(b"GET", b"get"), 501),
    "a proxy's method": (GET.replace(b"GET /", b"CONNECT a:80"), 501),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (GET.replace(b"1.1", b"0.9"), 505),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a long target": (GET.replace(b"/ ", b"/" + b"a" * 17_000 + b" "), 414),
    "a long head": (GET.replace(b"Host", b"A: " + b"b" * 17_000 + b"\r\nHost"), 431),
    "many fields": (GET.replace(b"Host", b"A: b\r\n" * 4000 + b"Host"), 431),
    "empty lines": (b"\r\n" * 20, 400),
    "a large body": (LARGE, 413),
    "a large body that is asked for": (
        LARGE.replace(b"Host", b"Expect: 100-continue\r\nHost"),
        413,
    ),
    "a WebSocket": (WEBSOCKET, 404),
    "a WebSocket with bytes behind": (WEBSOCKET + b"\x81\x80\0\0\0\0", 404),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
async def test_a_bad_request_is_answered_in_json_and_its_connection_closed(
    sent: bytes, status: int, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    said = await ask(port, sent)
    assert said.status == status
    assert said.headers["content-type"] == "application/json"
    assert int(said.headers["content-length"]) == len(said.body)
    assert json.loads(said.body)["message"]
    assert said.headers["connection"] == "close"
    origin = said.headers["access-control-allow-origin"]
    assert origin in ("*", "http://o")
    assert "date" in said.headers
    # What follows it is not taken for a request.
    assert (await ask(port, sent + b"\r\n\r\n" + GET)).body == said.body
    assert caplog.text == ""


async def test_the_origin_of_a_bad_request_is_allowed_where_it_can_be_read(
    port: int,
) -> None:
    said = await ask(port, GET.replace(b"/ ", b"?x "))
    assert said.headers["access-control-allow-origin"] == "http://o"
    assert said.headers["vary"] == "origin"


@pytest.mark.parametrize("sent", [GET.replace(b"/ ", b"?x "), GET.replace(b": a", b"")])
async def test_a_bad_head_has_an_answer_without_a_body(sent: bytes, port: int) -> None:
    said = await ask(port, sent.replace(b"GET", b"HEAD"))
    assert (said.status, said.body, said.closed) == (400, b"", True)


async def test_a_body_that_comes_all_the_same_does_not_take_the_answer_away(
    port: int,
) -> None:
    large = LARGE.replace(b"1001", b"8000000") + b"x" * 8_000_000
    assert (await ask(port, large)).status == 413


@pytest.mark.parametrize(
    "expect", [b"Expect: 100-continue\r\n", b"expect: 100-Continue\r\n"]
)
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_is_asked_for_before_it_comes(
    expect: bytes, framing: str, port: int
) -> None:
    request = POST if framing == "length" else CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"
    head, _, body = request.replace(b"Host", expect + b"Host").partition(b"\r\n\r\n")
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for _ in range(2):
            await stream.send_all(head + b"\r\n\r\n")
            interim = await stream.receive_some()
            assert re.fullmatch(
                rb"HTTP/1\.1 100 CONTINUE\r\n(.+\r\n)*\r\n", interim
            ), interim
            await stream.send_all(body)
            answer = b""
            while b">" not in answer:
                answer += await stream.receive_some()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"<POST /? a 2>")


async def test_a_client_that_does_not_wait_for_the_interim_answer_gets_the_final_one(
    port: int,
) -> None:
    request = POST.replace(b"Host", b"Expect: 100-continue\r\nHost")
    assert (await ask(port, request, 1)).status in (100, 200)
    # In HTTP/1.0 there is none to be sent (RFC 9110 §10.1.1).
    old = request.replace(b"1.1", b"1.0")
    assert (await ask(port, old, 1)).status == 200


async def test_nothing_of_http_2_is_begun(port: int) -> None:
    settings = b"\0\0\0\x04\0\0\0\0\0"
    # A GET of / in HPACK's static table, and its reset, again and again.
    begun = b"\0\0\x03\x01\x05\0\0\0%c\x82\x84\x86"
    reset = b"\0\0\x04\x03\0\0\0\0%c\0\0\0\x08"
    frames = b"".join(begun % i + reset % i for i in range(1, 200, 2))
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    said = await ask(port, preface + settings + frames)
    assert (said.status, said.closed) == (505, True)
    assert b"HTTP/1.1" in said.body
    # Who asks by an upgrade, and goes on as if it had been granted, is answered in HTTP/1.1.
    said = await ask(port, H2C + preface + settings + frames)
    assert (said.status, said.closed) == (200, True)
    assert said.body.startswith(b"<GET /? a 0>HTTP/1.1 505 ")


def carrying(sent: bytes, token: str = SECRET) -> bytes:
    return sent.replace(
        b"Host", b"Authorization: Bearer %b\r\nHost" % token.encode(), 1
    )


async def test_a_guard_refuses_before_the_body_and_closes() -> None:
    guard = Guard(
        tokens=read_tokens(entry(may='["read", "post"]')),
        make_ticket=str,
        clock=lambda: 0,
    )
    heads = [
        GET,
        POST[:-2],
        CHUNKED,
        LARGE,
        GET.replace(b"GET", b"HEAD"),
        WEBSOCKET,
    ]
    not_plain = GET.replace(b"/ ", b"/a ", 1).replace(b"Host", b"TE: trailers\r\nHost")
    async with opened(guard) as port:
        for sent in [*heads, carrying(GET, "wrong"), GET.replace(b"/ ", b"/%6d ")]:
            if b" / " in sent and b"POST" not in sent:
                sent = sent.replace(b"/ ", b"/a ", 1)
            # What is plain is judged and answered in front of hypercorn.
            sent = sent.replace(b"Host", b"TE: trailers\r\nHost")
            said = await ask(port, sent)
            assert said.status == 401 and said.closed
            assert said.headers["www-authenticate"].startswith("bearer realm=")
            if not sent.startswith(b"HEAD"):
                assert json.loads(said.body)["status"] == 401
        answered = [
            carrying(GET),
            carrying(POST),
            carrying(CHUNKED) + b"2\r\n{}\r\n0\r\n\r\n",
        ]
        for sent in answered:
            assert (await ask(port, sent, marks=1)).status == 200
        # A second request on the connection is judged too.
        said = await ask(port, carrying(GET) + not_plain)
        assert said.status == 200 and b" 401 " in said.body


async def test_a_guard_counts_bodies_without_a_length() -> None:
    guard = Guard(post_bytes=Rate(1), make_ticket=str, clock=lambda: 0)
    async with opened(guard) as port:
        body = b"9\r\n" + b"z" * 9 + b"\r\n0\r\n\r\n"
        assert (await ask(port, CHUNKED + body, marks=1)).status == 200
        said = await ask(port, CHUNKED)
        assert said.status == 429 and said.headers["retry-after"] == "5"
        assert (await ask(port, GET, marks=1)).status == 200


async def test_the_request_for_a_streams_websocket_is_left_to_others() -> None:
    path = f"GET {STREAMS_PATH}valid_blocks".encode()
    stream = WEBSOCKET.replace(b"GET /", path)
    # Hypercorn's protocol reads this one, after one that is not plain.
    first = GET.replace(b"Host", b"TE: trailers\r\nHost")
    upgrades, handed = Upgrades(), list[Visitor]()
    async with opened(upgrades=upgrades) as port:
        with upgrades.received_by(handed.append):
            async with await trio.open_tcp_stream("127.0.0.1", port) as peer:
                await peer.send_all(first + stream + b"early")
                answer = b""
                while b">" not in answer:
                    answer += await peer.receive_some()
                while not handed:
                    await trio.testing.wait_all_tasks_blocked(0.01)
                (visitor,) = handed
                async with visitor.stream:
                    assert visitor.head is not None
                    assert visitor.head.early == b"early"
                    assert visitor.head.request.target == path[4:]
            assert answer.count(b"HTTP/1.1") == 1
        # Where nobody serves that path, it is refused as by a server without WebSockets.
        assert (await ask(port, WEBSOCKET)).status == 404
