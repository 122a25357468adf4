"""Which texts a selection gets of a run, and which take long; test_matching has the rest."""

from __future__ import annotations

import json

from trio_stream.abci.messages import Time
from trio_stream.stream.composer import Composer
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import texts_in
from trio_stream.stream.messages import (
    block_text,
    event_text,
    refusal_text,
    time_text,
)
from trio_stream.stream.position import Position
from trio_stream.stream.runs import Run, cut
from trio_stream.stream.selection import Form, Selection, Stream

TIME = Time(7, 0)
FULL = Selection(form=Form.FULL)
BLOCKS = Selection(Stream.VALID_BLOCKS, Form.POSITION)
REFUSALS = Selection(Stream.REFUSED_TRANSACTIONS, Form.POSITION)


def run_of(events: int, refused: int = 0) -> Run:
    block = CommittedBlock(
        1,
        "ab" * 32,
        tuple(
            CommitEvent(1, n, "cd" * 32, f"{n:064}", bytes(32), "TRANSFER")
            for n in range(events)
        ),
        tuple(
            RefusalEvent(1, events + n, None, bytes(32), "Error", "why")
            for n in range(refused)
        ),
        TIME,
    )
    *_, last = cut([block], after=Position.end_of(0))
    return last


def contents_of(run: Run, size: int = 0) -> dict[int, Contents]:
    raw = json.dumps({"id": "x" * size}).encode()
    return {
        Position(each.height, each.index).key: Contents(frozenset(), raw)
        for each in run.events
    }


def texts(composer: Composer, selection: Selection, numbers: range) -> list[bytes]:
    frames = composer.frames(selection, numbers)
    assert len(frames.keys) == len(frames.ends) == len(numbers)
    return list(texts_in(frames.data))


def test_transactions_in_each_form() -> None:
    run = run_of(3)
    composer = Composer(run, contents_of(run, 5))
    for form in Form:
        assert texts(composer, Selection(form=form), range(1, 3)) == [
            event_text(event, form, time=time_text(TIME), raw=b'{"id": "xxxxx"}')
            for event in run.events[1:]
        ]


def test_blocks_and_refusals() -> None:
    run = run_of(1, 2)
    composer = Composer(run, {})
    assert texts(composer, BLOCKS, range(1)) == [block_text(run.blocks[0], BLOCKS.form)]
    assert texts(composer, REFUSALS, range(2)) == [
        refusal_text(each, REFUSALS.form, time=time_text(TIME)) for each in run.refused
    ]


def test_frames_span_the_run() -> None:
    run = run_of(2)
    frames = Composer(run, {}).frames(Selection(form=Form.POSITION), [1])
    assert (frames.start, frames.end) == (run.start, run.end)
    assert list(frames.keys) == [Position(1, 1).key]
    blocks = Composer(run, {}).frames(BLOCKS, [0])
    assert list(blocks.keys) == [Position.end_of(1).key]


def test_long_are_large_transactions_shown_whole_and_blocks_of_many() -> None:
    run, huge = run_of(2), run_of(9_000)
    small, large = Composer(run, contents_of(run)), Composer(
        run, contents_of(run, 40_000)
    )

    assert not small.is_long(FULL, range(2))
    assert large.is_long(FULL, range(2)) and not large.is_long(FULL, [])
    assert not large.is_long(Selection(form=Form.POSITION), range(2))
    assert not small.is_long(BLOCKS, [0])
    assert Composer(huge, {}).is_long(BLOCKS, [0])


def test_texts_that_take_long_together_are_made_one_by_one() -> None:
    run = run_of(3)
    composer = Composer(run, contents_of(run))
    assert len(list(composer.prepare(FULL, range(3)))) == 3
    assert not list(composer.prepare(Selection(form=Form.POSITION), range(3)))
    assert not list(composer.prepare(BLOCKS, [0]))
    assert len(texts(composer, FULL, range(3))) == 3
