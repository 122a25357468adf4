from __future__ import annotations

import pytest
from wsproto.frame_protocol import FrameProtocol

from tests.memory_log import event
from trio_stream.stream.events import encode
from trio_stream.stream.frames import (
    Batch,
    Frames,
    close_frame,
    frame_events,
    frame_texts,
    is_close,
    join,
    ping_frame,
    text_frame,
    text_head,
    texts_in,
)
from trio_stream.stream.position import Position

START = Position.end_of(0)

EVENTS = [event(7, 0), event(7, 3), event(8, 1)]
RUN = frame_events(EVENTS, start=Position.end_of(6), end=Position.end_of(9))
ONE = len(RUN.data) // 3


def read(data: bytes | memoryview) -> list[str]:
    """The texts in some frames, as a WebSocket library understands them."""
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(bytes(data))
    return [str(frame.payload) for frame in client.received_frames()]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_a_text_of_any_size_is_one_frame(size: int) -> None:
    assert "".join(read(text_frame(b"x" * size))) == "x" * size
    assert text_frame(b"x" * size)[0] == 0x81


def test_control_frames() -> None:
    assert close_frame(1001) == b"\x88\x02\x03\xe9"
    assert ping_frame() == b"\x89\x00"
    assert ping_frame(b"abc") == b"\x89\x03abc"
    assert is_close(close_frame(1000))
    assert not is_close(ping_frame())
    assert not is_close(b"")


def test_joined_frames_are_the_events_in_order() -> None:
    assert read(RUN.data) == [encode(event).decode() for event in EVENTS]


def test_each_frame_end_has_its_position() -> None:
    assert [RUN.position_at(end) for end in (0, *RUN.ends)] == [
        Position.end_of(6),
        Position(7, 0),
        Position(7, 3),
        Position.end_of(9),
    ]


@pytest.mark.parametrize(
    ("position", "seen"),
    [
        (START, 0),
        (Position.end_of(6), 0),
        (Position(7, 0), 1),
        (Position(7, 2), 1),
        (Position(7, 3), 2),
        (Position.end_of(7), 2),
        (Position(8, 0), 2),
        (Position(8, 1), 3),
        (Position.end_of(8), 3),
        (Position.end_of(20), 3),
    ],
)
def test_a_position_finds_the_frames_after_it(position: Position, seen: int) -> None:
    assert RUN.offset_after(position) == seen * ONE


def test_a_partial_send_is_rounded_up_to_its_frame() -> None:
    assert RUN.frame_end(0) == 0
    assert RUN.frame_end(1) == ONE
    assert RUN.frame_end(ONE) == ONE
    assert RUN.frame_end(ONE + 1) == 2 * ONE
    assert RUN.frame_end(3 * ONE) == 3 * ONE


def test_an_empty_run_is_all_seen() -> None:
    run = frame_events([], start=Position.end_of(1), end=Position.end_of(2))

    assert run.data == b""
    assert run.position_at(0) == Position.end_of(2)
    assert run.offset_after(START) == 0
    assert Batch(run).take(100) == (b"", Position.end_of(2))


@pytest.mark.parametrize(
    ("offset", "size", "frames", "position"),
    [
        (0, 10_000, 3, Position.end_of(9)),
        (0, 3 * ONE, 3, Position.end_of(9)),
        (0, 3 * ONE - 1, 2, Position(7, 3)),
        (0, 1, 1, Position(7, 0)),
        (ONE, 1, 1, Position(7, 3)),
        (ONE, ONE, 1, Position(7, 3)),
        (2 * ONE, 1, 1, Position.end_of(9)),
        (3 * ONE, 1, 0, Position.end_of(9)),
    ],
)
def test_a_piece_is_whole_frames(
    offset: int, size: int, frames: int, position: Position
) -> None:
    piece, reached = Batch(RUN, offset).take(size)

    assert piece == RUN.data[offset : offset + frames * ONE]
    assert reached == position


def test_a_batch_begins_at_its_offset() -> None:
    assert Batch(RUN).data is RUN.data
    assert bytes(Batch(RUN, ONE).data) == RUN.data[ONE:]


def test_joined_runs_know_all_positions() -> None:
    following = frame_events(
        [event(10, 0)], start=Position.end_of(9), end=Position.end_of(10)
    )

    both = join([RUN, following])

    assert both.data == RUN.data + following.data
    assert (both.start, both.end) == (Position.end_of(6), Position.end_of(10))
    assert both.offset_after(Position(8, 1)) == 3 * ONE
    assert [both.position_at(end) for end in both.ends] == [
        Position(7, 0),
        Position(7, 3),
        Position(8, 1),
        Position.end_of(10),
    ]


@pytest.mark.parametrize(
    ("last", "frames", "end"),
    [
        (Position.end_of(20), 3, Position.end_of(9)),
        (Position.end_of(9), 3, Position.end_of(9)),
        (Position.end_of(8), 3, Position.end_of(8)),
        (Position.end_of(7), 2, Position.end_of(7)),
        (Position(7, 0), 1, Position(7, 0)),
        (Position.end_of(6), 0, Position.end_of(6)),
        (Position.end_of(2), 0, Position.end_of(6)),
    ],
)
def test_a_run_may_be_cut_at_a_position(
    last: Position, frames: int, end: Position
) -> None:
    cut = RUN.until(last)

    assert cut.data == RUN.data[: frames * ONE]
    assert (cut.start, cut.end) == (RUN.start, end)
    assert list(cut.ends) == list(RUN.ends)[:frames]


def test_texts_are_found_in_their_frames() -> None:
    texts = [b"x" * size for size in (0, 1, 125, 126, 65535, 65536)]
    run = frame_texts(enumerate(texts), start=START, end=START)

    assert list(texts_in(run.data)) == texts
    assert list(texts_in(memoryview(run.data))) == texts
    assert list(texts_in(b"")) == []


def test_weight_counts_more_than_the_data() -> None:
    assert RUN.weight > len(RUN.data)
    assert Frames(START, START).weight > 0


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 100_000])
def test_the_head_of_a_text(size: int) -> None:
    assert text_head(size) + b"x" * size == text_frame(b"x" * size)
