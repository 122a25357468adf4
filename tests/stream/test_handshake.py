from __future__ import annotations

import base64
import json
from collections.abc import Iterable

import pytest

from trio_stream.stream.admission import ADDRESS_FULL, FULL, TooMany
from trio_stream.stream.handshake import (
    STREAM_PATH,
    Rejection,
    Upgrade,
    full,
    judge,
    refusal,
    unreadable,
)
from trio_stream.stream.node_streams import NODE_STREAMS
from trio_stream.stream.resume import Landmarks, ResumeRefused
from trio_stream.stream.selection import Stream

KEY = base64.b64encode(bytes(range(16)))
GOOD = {
    b"host": b"localhost:9985",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": KEY,
}


def verdict(
    changes: dict[bytes, bytes | None] | None = None,
    *,
    method: bytes = b"GET",
    target: bytes = STREAM_PATH,
) -> Upgrade | Rejection:
    headers = {**GOOD, **(changes or {})}
    return judged([(k, v) for k, v in headers.items() if v is not None], method, target)


def judged(
    headers: Iterable[tuple[bytes, bytes]],
    method: bytes = b"GET",
    target: bytes = STREAM_PATH,
    version: bytes = b"1.1",
) -> Upgrade | Rejection:
    return judge(method, target, headers, version, streams=NODE_STREAMS)


@pytest.mark.parametrize(
    ("changes", "method", "target"),
    [
        ({}, b"GET", STREAM_PATH),
        ({}, b"HEAD", STREAM_PATH),
        ({b"upgrade": b" WebSocket "}, b"GET", STREAM_PATH),
        ({b"connection": b"keep-alive, Upgrade"}, b"GET", STREAM_PATH),
        ({b"host": None}, b"GET", STREAM_PATH),
        ({b"origin": b"http://evil.example"}, b"GET", STREAM_PATH),
        ({b"sec-websocket-protocol": b"chat"}, b"GET", STREAM_PATH),
        ({b"sec-websocket-extensions": b"permessage-deflate"}, b"GET", STREAM_PATH),
    ],
)
def test_a_valid_upgrade(
    changes: dict[bytes, bytes | None], method: bytes, target: bytes
) -> None:
    assert verdict(changes, method=method, target=target) == Upgrade(
        KEY.decode(), "valid_transactions"
    )


def test_connection_is_one_list_however_many_lines_it_takes() -> None:
    lines = [(b"connection", b"keep-alive"), *GOOD.items()]
    assert judged(lines) == Upgrade(KEY.decode(), "valid_transactions")


def test_http_1_0_has_no_upgrade() -> None:
    verdict = judged(GOOD.items(), version=b"1.0")
    assert isinstance(verdict, Rejection) and verdict.status == 426
    head = verdict.encode(server="x", date="y")
    assert b"\r\nConnection: Upgrade, close\r\n" in head


@pytest.mark.parametrize("version", [b"12", b"14", b"13, 8", b"", None])
def test_another_version_is_answered_with_the_supported_one(
    version: bytes | None,
) -> None:
    rejection = verdict({b"sec-websocket-version": version})
    assert isinstance(rejection, Rejection) and rejection.status == 400
    head = rejection.encode(server="x", date="y")
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in head


@pytest.mark.parametrize("stream", Stream)
def test_an_upgrade_says_which_stream_and_how(stream: Stream) -> None:
    target = f"/api/v1/streams/{stream.value}?after=1&x=/?%ff".encode()

    assert verdict(target=target) == Upgrade(
        KEY.decode(), stream.value, "after=1&x=/?%ff"
    )


@pytest.mark.parametrize(("status", "retry"), [(409, b""), (503, b"Retry-After: 10")])
def test_a_client_that_cannot_begin_gets_json(status: int, retry: bytes) -> None:
    refused = ResumeRefused(status, "no", "not here", Landmarks(tip=7))

    data = refusal(refused).encode(server="x", date="y")

    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status) and retry in head
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert json.loads(body)["tip"] == 7


def test_a_stream_of_another_kind_of_chain_is_refused_for_good() -> None:
    found = verdict(target=b"/api/v1/streams/events?after=1")
    assert isinstance(found, Rejection)
    assert (found.status, found.content_type) == (404, "application/json")
    assert json.loads(found.text)["error"] == "unknown_stream"


def test_who_asks_for_notices_is_told_of_another_kind_of_chain_by_one() -> None:
    found = verdict(target=b"/api/v1/streams/events?detail=full&notices=1")
    assert isinstance(found, Upgrade)
    assert found.stream == "events"


def test_what_the_library_gets_is_the_least_that_it_needs() -> None:
    assert Upgrade("abc", "valid_blocks").encode() == (
        b"GET /api/v1/streams/valid_transactions HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n\r\n"
    )


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/api/v1/streams",
        STREAM_PATH + b"/",
        b"/" + STREAM_PATH,
        STREAM_PATH.replace(b"v", b"%76"),
        STREAM_PATH.upper(),
        b"http://localhost" + STREAM_PATH,
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD"])
def test_another_path_is_not_found(target: bytes, method: bytes) -> None:
    assert verdict(method=method, target=target) == Rejection(404, "404: Not Found")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"OPTIONS", b"get"])
def test_another_method_is_not_allowed(method: bytes) -> None:
    assert verdict(method=method) == Rejection(
        405, "405: Method Not Allowed", {"Allow": "GET,HEAD"}
    )


def test_no_upgrade_at_all_gets_a_hint() -> None:
    rejection = verdict({b"upgrade": None, b"connection": b"keep-alive"})

    assert isinstance(rejection, Rejection)
    assert rejection.status == 426
    assert rejection.headers == {"Upgrade": "websocket"}
    assert "ws://" in rejection.text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {b"upgrade": b"h2c"},
            'No WebSocket UPGRADE hdr: h2c\n Can "Upgrade" only to "WebSocket".',
        ),
        ({b"connection": b"close"}, "No CONNECTION upgrade hdr: close"),
        ({b"connection": None}, "No CONNECTION upgrade hdr: None"),
        ({b"sec-websocket-version": b"12"}, "Unsupported version: 12"),
        ({b"sec-websocket-version": None}, "Unsupported version: "),
        ({b"sec-websocket-key": None}, "Handshake error: None"),
        ({b"sec-websocket-key": b"abc"}, "Handshake error: 'abc'"),
        ({b"sec-websocket-key": b""}, "Handshake error: ''"),
        ({b"sec-websocket-key": KEY[:-4]}, f"Handshake error: {KEY[:-4].decode()!r}"),
        ({b"sec-websocket-key": b"\xff"}, "Handshake error: '\\udcff'"),
    ],
)
def test_the_answer_to_a_bad_upgrade_says_what_is_wrong(
    changes: dict[bytes, bytes | None], text: str
) -> None:
    rejection = verdict(changes)
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.text) == (400, text)


def test_the_first_header_of_a_name_counts() -> None:
    headers = [(b"upgrade", b"h2c"), *GOOD.items()]

    rejection = judged(headers)

    assert isinstance(rejection, Rejection) and rejection.status == 400


def test_the_answer() -> None:
    answer = Rejection(405, "no", {"Allow": "GET,HEAD"}).encode(server="s", date="d")

    assert answer == (
        b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET,HEAD\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n"
        b"Date: d\r\nServer: s\r\nConnection: close\r\n\r\nno"
    )


def test_the_answer_to_head_has_no_body() -> None:
    answer = Rejection(404, "404: Not Found").encode(
        server="s", date="d", head_only=True
    )

    assert answer.endswith(b"Connection: close\r\n\r\n")
    assert b"Content-Length: 14\r\n" in answer


def test_text_that_was_no_utf_8_is_answered_all_the_same() -> None:
    rejection = verdict({b"upgrade": b"\xff"})

    assert isinstance(rejection, Rejection)
    assert b"hdr: \\udcff" in rejection.encode(server="s", date="d")


@pytest.mark.parametrize(("limit", "status"), [(FULL, 503), (ADDRESS_FULL, 429)])
def test_a_refusal_for_a_limit_says_when_to_come_again(
    limit: TooMany, status: int
) -> None:
    answer = full(limit).encode(server="s", date="d")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nRetry-After: 10\r\n" in answer
    assert answer.endswith(b"%d: %b" % (status, limit.message.encode()))


def test_a_malformed_request_is_answered_with_its_status() -> None:
    assert unreadable(431).status == 431
    assert "431: " in str(unreadable(431))


def test_a_subprotocol_for_tokens_is_accepted_and_no_other() -> None:
    for offered, accepted in (
        ("chat", None),
        ("bearer.eA", "bearer.eA"),
        ("ticket.x, trio-stream", "trio-stream"),
    ):
        headers = GOOD | {b"sec-websocket-protocol": offered.encode()}
        found = judged(headers.items())
        assert isinstance(found, Upgrade) and found.protocol == accepted
        line = f"Sec-WebSocket-Protocol: {accepted}".encode()
        assert (line in found.encode()) == (accepted is not None)


def test_offers_in_several_fields_are_one_list() -> None:
    fields = [*GOOD.items()]
    fields += [(b"sec-websocket-protocol", b"ticket.x")]
    fields += [(b"sec-websocket-protocol", b"trio-stream")]
    found = judged(fields)
    assert isinstance(found, Upgrade) and found.protocol == "trio-stream"


def test_paths_of_other_protocols() -> None:
    found = judge(
        b"GET",
        b"/other?a=1",
        GOOD.items(),
        streams=NODE_STREAMS,
        others=["/other"],
    )
    assert found == Upgrade(KEY.decode(), "/other", "a=1")
    assert isinstance(verdict(target=b"/other"), Rejection)
