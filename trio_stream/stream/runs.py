"""Committed blocks cut into runs: what is announced to subscribers in one go.

Encoding a run is quick, so it delays nobody. It consists of several whole blocks if they are
small, and of a part of one if that is large. It says which messages of every stream lie in it:
transactions and refusals at their own places, a block at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trio_stream.abci.messages import Time
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.messages import refusal_fingerprint
from trio_stream.stream.position import Position

RUN_ROWS: Final = 512
"""At most so many transactions, accepted or refused, in a run: about a millisecond of encoding."""
_RUN_BLOCKS: Final = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Everything after `start`, up to and including `end`."""

    start: Position
    end: Position
    fingerprint: str
    """What stands at `end`: an id, or an app hash."""
    events: Sequence[CommitEvent] = ()
    refused: Sequence[RefusalEvent] = ()
    blocks: Sequence[CommittedBlock] = ()
    """The blocks that end in this run, each as a whole."""
    times: Mapping[int, Time] = field(default_factory=dict)
    """The times of the blocks that the events and refusals belong to, by height."""


def cut(blocks: Iterable[CommittedBlock], *, after: Position) -> Iterator[Run]:
    """The runs of consecutive blocks that follow the position `after`."""
    some: list[CommittedBlock] = []
    rows = 0
    for block in blocks:
        size = len(block.events) + len(block.refused)
        if some and (rows + size > RUN_ROWS or len(some) >= _RUN_BLOCKS):
            yield (run := _join(some, after))
            after, some, rows = run.end, [], 0
        if size > RUN_ROWS:
            yield from _divide(block, after)
            after = Position.end_of(block.height)
        else:
            some.append(block)
            rows += size
    if some:
        yield _join(some, after)


def _join(blocks: Sequence[CommittedBlock], after: Position) -> Run:
    last = blocks[-1]
    if len(blocks) == 1:
        events, refused = last.events, last.refused
    else:
        events = tuple(each for block in blocks for each in block.events)
        refused = tuple(each for block in blocks for each in block.refused)
    return Run(
        after,
        Position.end_of(last.height),
        last.app_hash,
        events,
        refused,
        blocks,
        {block.height: block.time for block in blocks},
    )


def _divide(block: CommittedBlock, after: Position) -> Iterator[Run]:
    rows: list[CommitEvent | RefusalEvent] = [*block.events, *block.refused]
    rows.sort(key=_index)
    times = {block.height: block.time}
    for first in range(0, len(rows), RUN_ROWS):
        some = rows[first : first + RUN_ROWS]
        is_last = first + RUN_ROWS >= len(rows)
        end = Position(block.height, some[-1].index)
        run = Run(
            after,
            Position.end_of(block.height) if is_last else end,
            block.app_hash if is_last else _fingerprint(some[-1]),
            [each for each in some if isinstance(each, CommitEvent)],
            [each for each in some if isinstance(each, RefusalEvent)],
            [block] if is_last else [],
            times,
        )
        yield run
        after = run.end


def _index(row: CommitEvent | RefusalEvent) -> int:
    return row.index


def _fingerprint(row: CommitEvent | RefusalEvent) -> str:
    if isinstance(row, CommitEvent):
        return row.transaction_id
    return refusal_fingerprint(row)
