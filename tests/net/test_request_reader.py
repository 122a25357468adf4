"""Requests as both doors read them, however their bytes come."""

from __future__ import annotations

from collections.abc import Iterable

import h11
import pytest

from trio_stream.net.request_reader import RequestReader

LIMIT = 1000
GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = POST.replace(
    b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n"
)


def whole(data: bytes) -> Iterable[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> Iterable[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


WAYS = pytest.mark.parametrize("cut", [whole, byte_by_byte])


def read(reader: RequestReader, pieces: Iterable[bytes]) -> list[h11.Request | int]:
    """The requests in these bytes, each answered; a number is the status of the error."""
    found: list[h11.Request | int] = []
    for piece in pieces:
        reader.receive_data(piece)
        try:
            while (event := reader.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Request):
                    found.append(event)
                elif isinstance(event, h11.EndOfMessage):
                    reader.send(h11.Response(status_code=204, headers=[]))
                    reader.send(h11.EndOfMessage())
                    if reader.their_state is not h11.DONE:
                        return found
                    reader.start_next_cycle()
        except h11.RemoteProtocolError as error:
            return [*found, error.error_status_hint]
    return found


def outcome(data: bytes, cut=whole) -> list[bytes | int]:
    """The same as targets and statuses."""
    found = read(RequestReader(head_limit=LIMIT), cut(data))
    return [each if isinstance(each, int) else each.target for each in found]


@WAYS
@pytest.mark.parametrize("between", [b"", b"\r\n", b"\n", b"\r\n\r\n"])
def test_empty_lines_before_a_request_are_skipped(between: bytes, cut) -> None:
    data = between + POST + between + GET + between + GET
    assert outcome(data, cut) == [b"/", b"/a?b", b"/a?b"]


@WAYS
def test_a_request_that_is_begun_by_empty_lines_alone_is_not_waited_for(cut) -> None:
    assert outcome(b"\r\n" * 20, cut) == [400]
    assert outcome(POST + b"\r\n" * 20, cut) == [b"/", 400]


def test_what_closed_behind_empty_lines_has_closed() -> None:
    reader = RequestReader(head_limit=LIMIT)
    reader.receive_data(POST + b"\r\n")
    reader.receive_data(b"")
    assert len(read(reader, [])) == 0
    while not isinstance(reader.next_event(), h11.EndOfMessage):
        pass
    reader.send(h11.Response(status_code=204, headers=[]))
    reader.send(h11.EndOfMessage())
    reader.start_next_cycle()
    assert isinstance(reader.next_event(), h11.ConnectionClosed)


@WAYS
def test_an_absolute_target_becomes_a_path_and_the_host(cut) -> None:
    data = GET.replace(b" /a", b" http://b:1/a") + GET
    first, second = read(RequestReader(head_limit=LIMIT), cut(data))
    assert isinstance(first, h11.Request) and isinstance(second, h11.Request)
    assert first.target == second.target == b"/a?b"
    assert list(first.headers) == [(b"host", b"b:1")]


@WAYS
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (GET.replace(b"/a?b", b"?b"), 400),
        (GET.replace(b"GET", b"get"), 501),
        (GET.replace(b"1.1", b"2.0"), 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (GET.replace(b"Host: a", b"Host: a b"), 400),
        (GET.replace(b"Host: a", b"Host: a\r\nHost: a"), 400),
        (GET.replace(b"Host: a", b"Host : a"), 400),
        (GET.replace(b"Host: a", b" Host: a"), 400),
        (GET.replace(b"Host: a", b"Host: a\rb"), 400),
        (GET.replace(b"Host: a", b"Host: a\x00"), 400),
        (GET.replace(b"GET ", b"GET  "), 400),
        (GET.replace(b"GET ", b" GET "), 400),
        (GET.replace(b" HTTP", b"\tHTTP"), 400),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (POST.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost"), 400),
        (POST.replace(b"Host", b"Content-Length: 3\r\nHost"), 400),
        (POST.replace(b"h: 2", b"h: +2"), 400),
        (POST.replace(b"h: 2", b"h: -2"), 400),
        (POST.replace(b"h: 2", b"h: 2, 3"), 400),
        (POST.replace(b"h: 2", b"h: 0x2"), 400),
        (POST.replace(b"h: 2", b"h: " + b"9" * 30), 400),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
        (CHUNKED.replace(b"chunked", b"gzip"), 400),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (GET.replace(b"/a", b"/" + b"a" * LIMIT), 414),
        (GET.replace(b"Host", b"A: " + b"a" * LIMIT + b"\r\nHost"), 431),
        (GET.replace(b"Host", b"A: a\r\n" * LIMIT + b"Host"), 431),
    ],
)
def test_a_bad_request_has_its_status(data: bytes, status: int, cut) -> None:
    assert outcome(data, cut) == [status]
    assert outcome(POST + data, cut) == [b"/", status]


@WAYS
@pytest.mark.parametrize(
    "body",
    [
        b"2\r\n{}\r\n",
        b"2;a=b\r\n{}\r\n0;c\r\nTrailer: x\r\n\r\n",
        b"02\r\n{}\r\n000\r\n\r\n",
    ],
)
def test_chunks_are_a_body(body: bytes, cut) -> None:
    assert outcome(CHUNKED + body, cut) == [b"/"]


@WAYS
@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-2\r\n{}\r\n",
        b"0x2\r\n{}\r\n",
        b"2\r\n{}}\r\n",
        b"2\n{}\n0\n\n" + b" " * LIMIT,
        b"2;a\nb\r\n{}\r\n0\r\n\r\n",
        b"2;" + b"a" * 2 * LIMIT,
        b"1" * 21 + b"\r\n",
        b"0\r\nTrailer : x\r\n\r\n",
        b"0\r\nA: " + b"a" * 2 * LIMIT,
    ],
)
def test_malformed_chunks_are_refused(body: bytes, cut) -> None:
    assert outcome(CHUNKED + body, cut) == [b"/", 400]


def test_the_origin_is_known_for_the_answer() -> None:
    reader = RequestReader(head_limit=LIMIT)
    head = b"HEAD ? HTTP/1.1\r\nHost: a\r\nOrigin: http://o\r\n\r\n"
    assert read(reader, [head]) == [400]
    assert (reader.head_only, reader.origin) == (True, "http://o")
    reader = RequestReader(head_limit=LIMIT)
    assert read(reader, [b"HEAD / HTTP/1.1\r\nnonsense\r\n\r\n"]) == [400]
    assert (reader.head_only, reader.origin) == (True, None)


def test_a_question_about_the_server_as_a_whole_goes_to_its_root() -> None:
    reader = RequestReader(head_limit=LIMIT)
    (request,) = read(reader, [b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"])
    assert isinstance(request, h11.Request)
    assert request.target == b"/"
    assert list(request.headers) == [(b"host", b"a")]


def test_bytes_after_a_request_that_closes_its_connection_are_no_request() -> None:
    reader = RequestReader(head_limit=LIMIT)
    closing = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    reader.receive_data(closing + GET)
    assert isinstance(reader.next_event(), h11.Request)
    assert isinstance(reader.next_event(), h11.EndOfMessage)
    assert reader.next_event() is h11.NEED_DATA
