"""Committed blocks cut into runs: what is announced to subscribers in one go.

A run takes no long to encode, so that making one holds nobody up. It consists of whole
blocks where they are small, and of part of one where that is large; it says which
messages of every stream lie in it: transactions and refusals by their own place, a block
by its end.
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
"""Transactions, accepted or refused, of a run: about a millisecond to make frames of."""
_RUN_BLOCKS: Final = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """All that lies after `start`, up to and including `end`."""

    start: Position
    end: Position
    fingerprint: str
    """What stands at `end`: an id, or an app hash."""
    events: Sequence[CommitEvent] = ()
    refused: Sequence[RefusalEvent] = ()
    blocks: Sequence[CommittedBlock] = ()
    """The blocks that end in this run, whole."""
    times: Mapping[int, Time] = field(default_factory=dict)
    """When the blocks were made that events and refusals are of, by height."""


def cut(blocks: Iterable[CommittedBlock], *, after: Position) -> Iterator[Run]:
    """The runs of blocks that follow each other and the position `after`."""
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
