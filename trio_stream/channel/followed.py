"""The blocks of a followed chain, as the channel announces them.

Most subscribers to a followed chain ask queries, so the messages of all transactions are made only
while somebody reads them. A log may drop blocks sooner than they are announced; then those who have
waited for them learn it from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from trio_stream.abci.messages import Time
from trio_stream.channel.fresh import Fresh
from trio_stream.channel.kind import Extent, Live, Read
from trio_stream.channel.pages import Replay
from trio_stream.channel.tally import NewestBlock, TallyStatistics
from trio_stream.cometbft.followed import FollowedBlock, FollowedChain, FollowedTip, Gap
from trio_stream.cometbft.instants import SECOND, instant
from trio_stream.feeds.composer import FeedComposer
from trio_stream.feeds.matching import Chosen, FeedIndex, Matched
from trio_stream.feeds.runs import BlockRow, FeedRun, cut
from trio_stream.feeds.selection import ALL_TRANSACTIONS, FeedSelection
from trio_stream.feeds.streams import FEEDS
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import BelowOldest, PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks

# As the log keeps them: compressed. Each is read, matched and framed in Python.
_READ_BYTES: Final = 64 * 1024
# Roughly what a message takes, and each event in it.
_ROW_BYTES: Final = 200
_EVENT_BYTES: Final = 250


class FollowedReading(Replay[FeedSelection], Protocol):
    """What is needed of a followed chain's log."""

    async def chain(self) -> FollowedChain | None: ...

    async def tip(self) -> FollowedTip: ...

    async def blocks_after(
        self, height: int, *, max_bytes: int
    ) -> Sequence[FollowedBlock | Gap]: ...

    async def landmarks(self, place: Position | str | None) -> Landmarks: ...


class FollowedTally:
    """Counts what is read of a followed chain."""

    def __init__(self) -> None:
        self.newest = NewestBlock(0, Time(0, 0))
        self._blocks = self._transactions = self._events = self._failed = self._gaps = 0

    def statistics(self) -> TallyStatistics:
        """The figures so far."""
        return TallyStatistics(
            blocks=self._blocks,
            events=self._events,
            refused={"failed": self._failed} if self._failed else {},
            transactions=self._transactions,
            gaps=self._gaps,
        )

    def count(self, blocks: Iterable[FollowedBlock | Gap]) -> None:
        """Count what was read."""
        for each in blocks:
            if isinstance(each, Gap):
                self._gaps += each.last - each.first + 1
                self.newest = NewestBlock(each.last, self.newest.time)
                continue
            results = each.results
            self._blocks += 1
            self._transactions += len(results.txs)
            self._failed += sum(1 for tx in results.txs if tx.code)
            self._events += sum(len(tx.events) for tx in results.txs)
            self._events += sum(1 for _ in results.block_events())
            time = Time(*divmod(instant(each.block.header.time), SECOND))
            self.newest = NewestBlock(each.height, time)


class FollowedBlocks:
    """A followed chain's log, as a kind of chain."""

    streams = FEEDS
    shared = ALL_TRANSACTIONS
    primed = 1  # nobody reads yet, and nothing is made for nobody; blocks may be large

    def __init__(self, reader: FollowedReading) -> None:
        self.index = FeedIndex()
        self.tally = FollowedTally()
        self.fresh = Fresh()
        """To be told of each block and gap when it has been committed, before it is announced."""
        self._reader = reader

    async def extent(self) -> Extent:
        """What there is now."""
        marks = await self._reader.landmarks(None)
        return Extent(marks.start.position.height, marks.end.position.height)

    async def read_after(self, height: int) -> Read[FeedSelection] | None:
        """The next blocks and gaps. Raises `BelowOldest`."""
        blocks: Sequence[FollowedBlock | Gap] = self.fresh.take_after(height)
        if not blocks:
            blocks = await self._reader.blocks_after(height, max_bytes=_READ_BYTES)
        after = Position.end_of(height)
        if not blocks:
            return await self._read_beyond(after)
        self.tally.count(blocks)
        last = blocks[-1]
        reached = last.last if isinstance(last, Gap) else last.height
        return Read(reached, map(self.live, cut(blocks, after=after)))

    async def _read_beyond(self, after: Position) -> Read[FeedSelection] | None:
        marks = await self._reader.landmarks(None)
        start = marks.start.position
        if start <= after:
            return None
        chain = await self._reader.chain()
        if chain is None or chain.first < marks.oldest:
            raise BelowOldest(marks.oldest)
        # The log was empty, and begins here: there was nothing before.
        nothing = FeedRun(after, start, marks.start_hash, ())
        return Read(start.height, iter([self.live(nothing)]))

    def live(self, run: FeedRun) -> Live[FeedSelection]:
        """A run, ready to be announced."""
        return _LiveRun(run, self.index)

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        return await self._reader.landmarks(place)

    async def frames(self, request: PageRequest[FeedSelection]) -> Frames:
        return await self._reader.frames(request)

    async def frame_pages(
        self, request: PageRequest[FeedSelection], *, take: Callable[[Frames], bool]
    ) -> None:
        await self._reader.frame_pages(request, take=take)

    def end(self) -> None:
        """Nothing waits for a block but clones."""


class _LiveRun:
    """A run of a followed chain."""

    def __init__(self, run: FeedRun, index: FeedIndex) -> None:
        self.start, self.end = run.start, run.end
        self.fingerprint = run.fingerprint
        self._run = run
        self._index = index
        self._found: Matched = {}
        self._composer = FeedComposer(run)

    @property
    def weight(self) -> int:
        sizes = (row.size for row in self._run.rows)
        return sum(_ROW_BYTES + _EVENT_BYTES * size for size in sizes)

    async def fetch(self) -> None:
        """It holds everything."""

    def shared(self, *, wanted: bool) -> Frames | None:
        # With these, every transaction and each gap.
        rows = enumerate(self._run.rows)
        chosen = [Chosen(number) for number, row in rows if type(row) is not BlockRow]
        if not chosen:
            return Frames(self.start, self.end)
        if not wanted or self._composer.is_long(ALL_TRANSACTIONS, chosen):
            return None
        return self._composer.frames(ALL_TRANSACTIONS, chosen)

    def match(self) -> Iterator[None]:
        return self._index.match(self._run, self._found)

    def matched(self) -> Iterable[FeedSelection]:
        return self._found

    def is_long(self, selection: FeedSelection) -> bool:
        chosen = self._found[selection]
        return chosen is None or self._composer.is_long(selection, chosen)

    def prepare(self, selection: FeedSelection) -> Iterator[None]:
        return self._composer.prepare(selection, self._found[selection] or ())

    def frames(self, selection: FeedSelection) -> Frames:
        return self._composer.frames(selection, self._found[selection] or ())
