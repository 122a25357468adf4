"""Frames of a client, read whole, byte by byte, and with more behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from trio_stream.stream.inbound import MESSAGE_LIMIT, NO_CODE, ClientFrames

MASK = b"\x12\x34\x56\x78"
ANSWERABLE_CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK
) -> bytes:
    size = len(payload)
    masked = 0x80 if mask is not None else 0
    if size < 126:
        head = bytes([size | masked])
    elif size < 65536:
        head = bytes([126 | masked]) + size.to_bytes(2, "big")
    else:
        head = bytes([127 | masked]) + size.to_bytes(8, "big")
    if mask is None:
        return bytes([opcode | (0x80 if fin else 0)]) + head + payload
    pattern = mask * (size // 4 + 1)
    body = bytes(a ^ b for a, b in zip(payload, pattern))
    return bytes([opcode | (0x80 if fin else 0)]) + head + mask + body


def feed(data: bytes, step: int) -> tuple[bytes, ClientFrames]:
    frames, wanted = ClientFrames(), b""
    for start in range(0, len(data), step):
        wanted += frames.receive_data(data[start : start + step])
    return wanted, frames


TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, "héllo".encode()),
        frame(TEXT),
        frame(BINARY, bytes(range(256)) * 300),
        frame(TEXT, b"x" * 200, mask=None),
        frame(TEXT, b"x" * 70_000),
        frame(TEXT, "é".encode()[:1], fin=False)
        + frame(CONTINUATION, "é".encode()[1:]),
        frame(BINARY, b"\xff", fin=False)
        + frame(CONTINUATION, fin=False)
        + frame(CONTINUATION),
        frame(PONG, b"whatever"),
    ],
)
def test_messages_and_pongs_are_dropped(data: bytes, step: int) -> None:
    wanted, frames = feed(data + data, step)

    assert wanted == b""
    assert frames.violation is None


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("mask", [MASK, None])
def test_a_ping_in_the_middle_of_a_message_is_passed_on(
    mask: bytes | None, step: int
) -> None:
    data = frame(TEXT, b"a", fin=False) + frame(PING, b"hello", mask=mask)

    wanted, frames = feed(data + frame(CONTINUATION, b"b"), step)

    library = FrameProtocol(client=False, extensions=[])
    library.receive_bytes(wanted)
    assert [(f.opcode, f.payload) for f in library.received_frames()] == [
        (Opcode.PING, b"hello")
    ]
    assert frames.violation is None


def test_pings_are_dropped_once_nobody_may_answer() -> None:
    frames = ClientFrames()
    frames.answer_pings = False

    assert frames.receive_data(frame(PING) + frame(CLOSE)) == ANSWERABLE_CLOSE


def test_pongs_are_counted() -> None:
    _, frames = feed(frame(PONG) + frame(TEXT, b"x") + frame(PONG, b"y"), 1)

    assert frames.pongs == 2


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", NO_CODE),
        (b"\x03\xe8", 1000),
        (b"\x03\xe8bye", 1000),
        ((1014).to_bytes(2, "big"), 1014),
        ((3000).to_bytes(2, "big"), 3000),
        ((4999).to_bytes(2, "big") + "é".encode(), 4999),
    ],
)
def test_any_valid_close_is_passed_on_as_1000_without_a_reason(
    payload: bytes, code: int, step: int
) -> None:
    wanted, frames = feed(frame(CLOSE, payload) + b"garbage behind it", step)

    assert wanted == ANSWERABLE_CLOSE
    assert (frames.close_code, frames.violation) == (code, None)


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("ahead", [b"", frame(TEXT, b"hi"), frame(PONG)])
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(3), 1002),
        (frame(7), 1002),
        (frame(11), 1002),
        (frame(15), 1002),
        (frame(TEXT | 0x40), 1002),
        (frame(TEXT | 0x20), 1002),
        (frame(PING | 0x10), 1002),
        (frame(CONTINUATION), 1002),
        (frame(TEXT, fin=False) + frame(TEXT), 1002),
        (frame(TEXT, fin=False) + frame(BINARY), 1002),
        (frame(PING, fin=False), 1002),
        (frame(CLOSE, fin=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CLOSE, b"x" * 70_000), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, (999).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1004).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1006).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1015).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (2999).to_bytes(2, "big")), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"ok \xed\xa0\x80"), 1007),
        (frame(TEXT, "é".encode()[:1]), 1007),
        (frame(TEXT, "é".encode()[:1], fin=False) + frame(CONTINUATION), 1007),
        (frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"\x80"), 1007),
    ],
)
def test_what_breaks_the_protocol_has_a_code(
    data: bytes, code: int, ahead: bytes, step: int
) -> None:
    wanted, frames = feed(ahead + data + frame(PING), step)

    assert frames.violation == code
    assert wanted == b""


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_4_mib_is_too_big_before_it_has_come(opcode: int) -> None:
    frames = ClientFrames()

    frames.receive_data(frame(opcode, bytes(MESSAGE_LIMIT))[:14])

    assert frames.violation == 1009


def test_a_message_is_as_big_as_all_its_frames() -> None:
    half = frame(BINARY, bytes(MESSAGE_LIMIT // 2), fin=False)
    rest = frame(CONTINUATION, bytes(MESSAGE_LIMIT // 2))

    _, frames = feed(half + rest, 4096)
    assert frames.violation == 1009

    _, frames = feed(half + frame(CONTINUATION, bytes(MESSAGE_LIMIT // 2 - 1)), 4096)
    assert frames.violation is None


def test_a_declared_size_beyond_all_numbers_is_too_big() -> None:
    _, frames = feed(b"\x82\xff" + b"\xff" * 8 + MASK, 1)

    assert frames.violation == 1009


def test_nothing_is_listened_to_after_a_violation() -> None:
    frames = ClientFrames()
    frames.receive_data(frame(3))

    assert frames.receive_data(frame(PING)) == b""
    assert frames.close_code is None


def test_what_came_before_the_violation_is_still_answered() -> None:
    wanted, frames = feed(frame(PING, b"a") + frame(3), 1 << 20)

    assert wanted == b"\x89\x81\0\0\0\0a"
    assert frames.violation == 1002


@given(data=st.binary(max_size=300), step=st.integers(1, 300))
def test_any_bytes_are_read_alike_however_they_come(data: bytes, step: int) -> None:
    wanted, frames = feed(data, step)
    whole, at_once = feed(data, len(data) or 1)

    assert wanted == whole
    assert (frames.violation, frames.close_code) == (
        at_once.violation,
        at_once.close_code,
    )


@given(
    data=st.lists(
        st.sampled_from(
            [
                frame(TEXT, b"text"),
                frame(TEXT, "é".encode()),
                frame(BINARY, b"\xff" * 200),
                frame(PING, b"p"),
                frame(PONG),
                frame(TEXT, b"\xff"),
                frame(CLOSE),
                frame(CONTINUATION),
            ]
        ),
        max_size=10,
    ),
    step=st.integers(1, 50),
)
def test_sequences_are_read_alike_however_they_come(
    data: list[bytes], step: int
) -> None:
    wanted, frames = feed(b"".join(data), step)
    whole, at_once = feed(b"".join(data), 1 << 20)

    assert wanted == whole
    assert frames.violation == at_once.violation
