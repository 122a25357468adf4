from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory_log import event
from trio_stream.stream.frames import Batch, Frames, frame_events
from trio_stream.stream.position import Position
from trio_stream.stream.subscription import JOINED_BYTES, Source, Tail

START = Position.end_of(0)


def block(height: int, events: int) -> Frames:
    return frame_events(
        [event(height, index) for index in range(events)],
        start=Position.end_of(height - 1),
        end=Position.end_of(height),
    )


def tail_of(*sizes: int, max_bytes: int = 1 << 20, after: int = 10) -> Tail:
    """A tail of blocks with so many events each."""
    tail = Tail(Position.end_of(after), max_bytes=max_bytes)
    for height, events in enumerate(sizes, after + 1):
        tail.append(block(height, events))
    return tail


@pytest.mark.parametrize(
    ("position", "source"),
    [
        (START, Source.LOG),
        (Position.end_of(9), Source.LOG),
        (Position(10, 5), Source.LOG),
        (Position.end_of(13), Source.TIP),
        (Position(13, 1), Source.TIP),
        (Position(14, 0), Source.AHEAD),
        (Position.end_of(14), Source.AHEAD),
    ],
)
def test_what_the_tail_lacks(position: Position, source: Source) -> None:
    assert tail_of(1, 2, 2).next_read(position) is source


def test_an_empty_tail_has_nothing_but_its_end() -> None:
    tail = tail_of()

    assert tail.next_read(Position.end_of(10)) is Source.TIP
    assert tail.next_read(Position.end_of(9)) is Source.LOG
    assert tail.next_read(Position.end_of(11)) is Source.AHEAD


def test_a_reader_in_the_tail_gets_all_that_follows() -> None:
    tail = tail_of(1, 2, 2)

    read = tail.next_read(Position(12, 0))

    assert isinstance(read, Batch)
    assert (
        bytes(read.data)
        == block(12, 2).data[len(block(12, 1).data) :] + block(13, 2).data
    )
    assert read.frames.end == tail.end


def test_readers_at_the_same_place_share_the_bytes() -> None:
    tail = tail_of(1, 1, 1)

    first, second = tail.next_read(Position.end_of(10)), tail.next_read(
        Position.end_of(10)
    )

    assert isinstance(first, Batch) and isinstance(second, Batch)
    assert first.data is second.data


def test_one_write_has_a_bound() -> None:
    tail = tail_of(*[50] * 100, max_bytes=1 << 30)

    read = tail.next_read(Position.end_of(10))

    assert isinstance(read, Batch)
    assert JOINED_BYTES // 2 < len(read.data) <= JOINED_BYTES


def test_empty_blocks_between_are_passed_over() -> None:
    tail = tail_of(1, 0, 0, 1)

    read = tail.next_read(Position.end_of(12))

    assert isinstance(read, Batch)
    assert read.data == block(14, 1).data


def test_a_reader_before_nothing_but_empty_blocks_is_at_the_tip() -> None:
    tail = tail_of(1, 0, 0)

    assert tail.next_read(Position.end_of(11)) is Source.TIP
    assert tail_of(0, 0).next_read(Position.end_of(10)) is Source.TIP


def test_the_oldest_go_first() -> None:
    tail = tail_of(*[10] * 20, max_bytes=5 * block(11, 10).weight)

    assert tail.weight <= 5 * block(11, 10).weight
    assert tail.start == Position.end_of(25)
    assert tail.next_read(Position(25, 9)) is Source.LOG
    assert isinstance(tail.next_read(Position.end_of(25)), Batch)


def test_the_newest_block_stays_whole_whatever_its_size() -> None:
    tail = tail_of(5, max_bytes=1)
    first = frame_events([event(12, 0)], start=tail.end, end=Position(12, 0))
    second = frame_events(
        [event(12, 1)], start=Position(12, 0), end=Position.end_of(12)
    )

    tail.append(first)
    tail.append(second)

    read = tail.next_read(Position.end_of(11))
    assert isinstance(read, Batch)
    assert read.data == first.data + second.data
    assert tail.start == Position.end_of(11)


def test_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="do not follow"):
        tail_of(1).append(block(13, 1))


@given(
    sizes=st.lists(st.integers(0, 4), max_size=30),
    max_bytes=st.integers(1, 20_000),
    after=st.tuples(st.integers(10, 42), st.integers(0, 5)),
)
def test_reads_joined_are_what_follows(
    sizes: list[int], max_bytes: int, after: tuple[int, int]
) -> None:
    tail = tail_of(*sizes, max_bytes=max_bytes)
    position, got = Position(*after), b""
    if position < tail.start:
        assert tail.next_read(position) is Source.LOG
        return

    start = position
    while isinstance(read := tail.next_read(position), Batch):
        piece, position = read.take(1)  # a frame at a time
        got += piece

    everything = [event(h, i) for h, n in enumerate(sizes, 11) for i in range(n)]
    wanted = [e for e in everything if (e.height, e.index) > start]
    assert got == frame_events(wanted, start=START, end=START).data
    assert read in (Source.TIP, Source.AHEAD)


def test_of_what_is_joined_the_oldest_is_forgotten() -> None:
    tail = tail_of(*[1] * 40)
    first = tail.next_read(Position.end_of(10))
    for height in range(11, 49):
        tail.next_read(Position.end_of(height))
    again = tail.next_read(Position.end_of(10))

    assert isinstance(first, Batch) and isinstance(again, Batch)
    assert again.data == first.data and again.data is not first.data
