from __future__ import annotations

import tracemalloc

import pytest

from tests.jsonrpc.drop_in import KEY
from tests.websocket_peer import BINARY, CLOSE, PING, PONG, TEXT, frame
from trio_stream.jsonrpc import wire as under_test
from trio_stream.jsonrpc.wire import Answer, Ended, Said, Wire, switching


def heard(data: bytes) -> list[Said | Answer | Ended]:
    return list(Wire().receive_data(data))


def test_messages() -> None:
    assert heard(frame(TEXT, b"a") + frame(BINARY, b"b\xff")) == [
        Said("a"),
        Said("b\ufffd"),
    ]
    parts = frame(TEXT, b"a", fin=False) + frame(PONG) + frame(0, b"b")
    assert heard(parts) == [Said("ab")]
    one, wire = list[Said | Answer | Ended](), Wire()
    for byte in parts:
        one += wire.receive_data(bytes([byte]))
    assert one == [Said("ab")]


def test_empty_parts_are_not_kept() -> None:
    wire = Wire()
    assert [*wire.receive_data(frame(TEXT, b"", fin=False))] == []
    empty = frame(0, b"", fin=False) * 1000
    tracemalloc.start()
    try:
        for _ in range(20):
            assert [*wire.receive_data(empty)] == []
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 100_000
    assert [*wire.receive_data(frame(0, b"a"))] == [Said("a")]


def test_pings_are_answered() -> None:
    assert heard(frame(PING, b"x")) == [Answer(b"\x8a\x01x")]


def test_closing() -> None:
    assert heard(frame(CLOSE, b"\x03\xe8bye") + frame(TEXT, b"a")) == [
        Ended(b"\x88\x02\x03\xe8", "closed by the client: 1000")
    ]
    assert heard(frame(CLOSE)) == [Ended(b"\x88\x00", "closed by the client: 1005")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xf1\x80" + bytes(4), 1002),
        (frame(0, b"a"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (b"\x81\x01a", 1002),
    ],
)
def test_violations(data: bytes, code: int) -> None:
    [ended] = heard(data)
    assert ended == Ended(
        b"\x88\x02" + code.to_bytes(2, "big"), f"the client broke the protocol: {code}"
    )


def test_long_messages_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "MESSAGE_LIMIT", 10)
    wire = Wire()
    assert list(wire.receive_data(frame(TEXT, b"0123456789"))) == [Said("0123456789")]
    [ended] = wire.receive_data(frame(TEXT, b"012345678901"))
    assert ended == Ended(
        b"\x88\x02\x03\xf1",
        "the client broke the protocol: 1009",
    )


def test_the_answer_to_an_upgrade() -> None:
    plain, with_protocol = switching(KEY, None), switching(KEY, "p")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in plain
    assert b"Protocol" not in plain.partition(b"\r\n")[2]
    assert b"Sec-WebSocket-Protocol: p\r\n" in with_protocol
    assert plain.endswith(b"\r\n\r\n")
