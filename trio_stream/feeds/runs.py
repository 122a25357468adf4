"""Followed blocks cut into runs: what is announced to subscribers in one go.

To match and encode a run is quick, so it delays nobody. It consists of several whole blocks if they
are small, and of a part of one if that is large. A row is what stands at one position: a
transaction, the end of a block, or a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.cometbft.events import Event
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.cometbft.instants import SECOND, instant
from trio_stream.cometbft.results import Phase, TxResult
from trio_stream.feeds.messages import BlockHead, TxHead
from trio_stream.stream.messages import time_text
from trio_stream.stream.position import END_OF_BLOCK, Position, key_of

RUN_EVENTS: Final = 500
"""Events in a run, give or take a row: some milliseconds of matching and encoding."""
RUN_ROWS: Final = 500


class TxRow(NamedTuple):
    """A transaction with its bytes in base64."""

    key: int
    head: TxHead
    tx: str
    result: TxResult

    @property
    def size(self) -> int:
        return len(self.result.events)

    @property
    def fingerprint(self) -> str:
        return self.head.hash.lower()


class BlockRow(NamedTuple):
    """The end of a block, with the events that are no transaction's."""

    key: int
    head: BlockHead
    phased: Sequence[tuple[Phase, Event]]

    @property
    def size(self) -> int:
        return len(self.phased)

    @property
    def fingerprint(self) -> str:
        return self.head.hash.lower()


class GapRow(NamedTuple):
    """Blocks that are missing."""

    key: int
    gap: Gap

    @property
    def size(self) -> int:
        return 0

    @property
    def fingerprint(self) -> None:
        return None


Row = TxRow | BlockRow | GapRow


@dataclass(frozen=True, slots=True, eq=False)
class FeedRun:
    """Everything after `start`, up to and including `end`."""

    start: Position
    end: Position
    fingerprint: str | None
    """What stands at `end`: a hash; None after a gap, where nobody knows it."""
    rows: Sequence[Row]


def cut(blocks: Iterable[FollowedBlock | Gap], *, after: Position) -> Iterator[FeedRun]:
    """The runs of consecutive blocks that follow the position `after`."""
    some: list[Row] = []
    size = 0
    for block in blocks:
        for row in rows_of(block):
            if some and (size + row.size > RUN_EVENTS or len(some) >= RUN_ROWS):
                yield (run := _run(after, some))
                after, some, size = run.end, [], 0
            some.append(row)
            size += row.size
    if some:
        yield _run(after, some)


def rows_of(block: FollowedBlock | Gap) -> Iterator[Row]:
    """What stands at each position of a block, in order."""
    if isinstance(block, Gap):
        yield GapRow(key_of(block.last, END_OF_BLOCK), block)
        return
    header, results = block.block.header, block.results
    time = time_text(Time(*divmod(instant(header.time), SECOND)))
    head = BlockHead(header.height, block.hash.hex().upper(), time, len(results.txs))
    if results.txs:
        raw = block.raw_block["block"]["data"]["txs"]
        hashes = block.block.tx_hashes
        for index, result in enumerate(results.txs):
            of = TxHead(head, index, hashes[index])
            yield TxRow(key_of(header.height, index), of, raw[index], result)
    key = key_of(header.height, END_OF_BLOCK)
    yield BlockRow(key, head, tuple(results.block_events()))


def _run(after: Position, rows: Sequence[Row]) -> FeedRun:
    last = rows[-1]
    return FeedRun(after, Position.of_key(last.key), last.fingerprint, rows)
