"""The blocks of the log, made into frames for those who subscribed.

The newest are made once, for all queries at once. Who is behind has them made from the log for its
own queries, some blocks ahead; what was made lately is kept and shared. All work is done in the
log's threads.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import trio

from trio_stream.cometbft.errors import CometError
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.cometbft.queries import Expression
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.jsonrpc.announced import Announced, announce
from trio_stream.jsonrpc.answers import Cancelled
from trio_stream.jsonrpc.lines import NEWEST, Line, line_of

logger = logging.getLogger(__name__)

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of blocks that were made, in memory; the last one is always kept."""

AHEAD_BLOCKS: Final = 64
"""Blocks that are made in one thread hop, until their frames or transactions are too many."""
AHEAD_BYTES: Final = 256 * 1024
AHEAD_TXS: Final = 500

_UNSPEAKABLE: Final = (CometError, LookupError, TypeError, ValueError, RecursionError)
"""What a node's words may raise that were never checked, since nobody needed them."""

Take = Callable[[FollowedBlock | Gap], bool]


class BlockReader(Protocol):
    """What is needed of the log."""

    async def each_after(self, height: int, *, take: Take, is_live: bool) -> int:
        """Call `take` in a thread with what follows a height, as long as it says so and there is
        more; returns the oldest height that the log has."""


class Dropped(NamedTuple):
    """A block that the log has dropped."""

    oldest: int


Found = Announced | Gap | Dropped


class Blocks:
    """What each block has for subscribers."""

    def __init__(self, reader: BlockReader, *, kept_bytes: int = KEPT_BYTES) -> None:
        self.line: Line = NEWEST
        """Of the newest block that was looked at."""
        self.line_at = 0
        """The height of that block; 0 if none was."""
        self._reader = reader
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[int, Announced] = OrderedDict()
        self._weight = 0
        self._index = QueryIndex()
        self._indexed: set[Expression] = set()
        self._latest: Sequence[Expression] | None = None

    @property
    def weight(self) -> int:
        """Roughly the bytes of memory that kept blocks take."""
        return self._weight

    async def at(self, height: int, queries: Sequence[Expression]) -> Found:
        """What a block in the log has for these queries."""
        kept = self._kept.get(height)
        if kept is not None:
            if kept.covers(queries):
                self._kept.move_to_end(height)
                await trio.lowlevel.checkpoint()
                return kept
            # Others still want what they asked for.
            queries = [*queries, *kept.numbers]
        asked = list(dict.fromkeys(queries))
        making = _Making(asked, QueryIndex(), set())
        oldest = await self._reader.each_after(
            height - 1, take=making.take, is_live=False
        )
        if not making.found:
            return Dropped(oldest)
        self._keep(making)
        return making.found[0]

    async def after(self, height: int, queries: Sequence[Expression]) -> list[Found]:
        """What follows a height, for all queries that anybody has. One task at a time.

        The same object means the same queries as before.
        """
        is_same = queries is self._latest
        making = _Making(queries, self._index, None if is_same else self._indexed)
        oldest = await self._reader.each_after(height, take=making.take, is_live=True)
        if making.found:
            self._latest = queries
        self._keep(making)
        return list(making.found) or [Dropped(oldest)]

    def _keep(self, making: _Making) -> None:
        for found in making.found:
            if isinstance(found, Announced):
                self._keep_one(found)
        if making.line is not None and making.line_at >= self.line_at:
            self.line, self.line_at = making.line, making.line_at

    def _keep_one(self, found: Announced) -> None:
        kept = self._kept.pop(found.height, None)
        if kept is not None:
            self._weight -= kept.weight
            if kept.covers(found.numbers):
                found = kept
        self._kept[found.height] = found
        self._weight += found.weight
        while self._weight > self._kept_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._weight -= dropped.weight


class _Making:
    """Makes one block after the other, in a thread."""

    def __init__(
        self,
        queries: Sequence[Expression],
        index: QueryIndex,
        indexed: set[Expression] | None = None,
    ) -> None:
        self.found: list[Announced | Gap] = []
        self.line: Line | None = None
        self.line_at = 0
        self._queries = queries
        self._index = index
        self._indexed = indexed
        self._bytes = self._txs = 0

    def take(self, entry: FollowedBlock | Gap) -> bool:
        """Make one more; returns whether there is room for another one."""
        if self._indexed is not None:
            self._keep_up(self._indexed)
            self._indexed = None
        if isinstance(entry, Gap):
            self.found.append(entry)
            return False
        self.line, self.line_at = line_of(entry.raw_results), entry.height
        try:
            made = announce(entry, self._queries, self.line, self._index)
        except _UNSPEAKABLE as error:
            logger.exception("block %d cannot be announced", entry.height)
            self.found.append(_unspeakable(entry.height, error))
            return False
        self.found.append(made)
        self._bytes += sum(map(len, made.tails.values()))
        self._txs += len(entry.block.txs)
        return (
            len(self.found) < AHEAD_BLOCKS
            and self._bytes < AHEAD_BYTES
            and self._txs < AHEAD_TXS
        )

    def _keep_up(self, indexed: set[Expression]) -> None:
        """Bring the index that is kept to the queries of today."""
        wanted = set(self._queries)
        for query in indexed - wanted:
            self._index.discard(query)
        for query in wanted - indexed:
            self._index.add(query)
        indexed.clear()
        indexed |= wanted


def _unspeakable(height: int, error: Exception) -> Gap:
    return Gap(height, height, "corrupt", f"it cannot be announced: {error!r:.200}")


def why_not(found: Gap | Dropped) -> Cancelled:
    """Why a subscription ends where the log has no block."""
    if isinstance(found, Dropped):
        after = max(found.oldest - 1, 0)
        reason = f"pruned: the oldest block here is {found.oldest}"
        return Cancelled(reason, str(after))
    blocks = f"block {found.first} is"
    if found.last > found.first:
        blocks = f"blocks {found.first} to {found.last} are"
    reason = f"gap: {blocks} missing: {found.reason}: {found.detail}"
    return Cancelled(reason, str(found.last))
