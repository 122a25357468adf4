"""The blocks that a node commits, as the channel announces them.

Filters by public key and full messages need what is in transactions, which is read for those runs
alone that somebody asks this of. Requests that wait for a transaction are told what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from trio_stream.channel.kind import Extent, Live, Read
from trio_stream.channel.pages import Replay
from trio_stream.channel.tally import Tally
from trio_stream.channel.watches import Watch, Watches
from trio_stream.stream.composer import Composer
from trio_stream.stream.events import CommittedBlock
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import Frames, frame_events
from trio_stream.stream.matching import Matched, SelectionIndex
from trio_stream.stream.node_streams import NODE_STREAMS
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks
from trio_stream.stream.runs import Run, cut
from trio_stream.stream.selection import PLAIN, Selection

# Contents of transactions that are read for filters and full messages. Beyond that, the
# subscribers who need them read the log.
_CONTENT_BYTES: Final = 1024 * 1024
# Blocks read in one go when the channel is behind: their frames are made in Python.
_READ_BYTES: Final = 256 * 1024


class HasHeight(Protocol):
    @property
    def height(self) -> int: ...


class BlockReader(Replay[Selection], Protocol):
    """What is needed of a node's log."""

    async def tip(self) -> HasHeight: ...

    async def blocks_after(
        self, height: int, *, max_bytes: int
    ) -> Sequence[CommittedBlock]: ...

    async def contents(
        self, places: Sequence[Position], *, max_bytes: int
    ) -> Mapping[int, Contents]:
        """What transactions hold, by position key; some are left out if that is too much."""

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        """What the log says about itself, and about a position or a transaction id."""


class CommittedBlocks:
    """A node's log, as a kind of chain."""

    streams = NODE_STREAMS
    shared = PLAIN
    primed = 64  # for subscribers who were away for a moment

    def __init__(self, reader: BlockReader) -> None:
        self.index = SelectionIndex()
        self.tally = Tally()
        self._reader = reader
        self._watches = Watches()

    def watch(self, tx_sha256: bytes) -> AbstractContextManager[Watch]:
        """Wait for the transaction whose bytes have this SHA-256.

        Only blocks that are announced from now on count, whether they accept or refuse the
        transaction. Raises `TooManyWatches`.
        """
        return self._watches.watch(tx_sha256)

    async def extent(self) -> Extent:
        """What there is now."""
        return Extent(0, (await self._reader.tip()).height)

    async def read_after(self, height: int) -> Read[Selection] | None:
        """The next blocks."""
        blocks = await self._reader.blocks_after(height, max_bytes=_READ_BYTES)
        if not blocks:
            return None
        self._watches.decide(blocks)
        self.tally.count(blocks)
        runs = cut(blocks, after=Position.end_of(height))
        return Read(blocks[-1].height, map(self.live, runs))

    def live(self, run: Run) -> Live[Selection]:
        """A run, ready to be announced."""
        return _LiveRun(run, self.index, self._reader)

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        return await self._reader.landmarks(place)

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        return await self._reader.frames(request)

    async def frame_pages(
        self, request: PageRequest[Selection], *, take: Callable[[Frames], bool]
    ) -> None:
        await self._reader.frame_pages(request, take=take)

    def end(self) -> None:
        """Nobody waits for a transaction any longer."""
        self._watches.end()


class _LiveRun:
    """A run, with the contents of transactions that readers ask about."""

    def __init__(self, run: Run, index: SelectionIndex, reader: BlockReader) -> None:
        self.start, self.end = run.start, run.end
        self.fingerprint = run.fingerprint
        self.weight = 0  # its shared frames are always made
        self._run = run
        self._index = index
        self._reader = reader
        self._contents: Mapping[int, Contents] = {}
        self._found: Matched = {}
        self._composer: Composer

    async def fetch(self) -> None:
        wanted = self._index.wanted(self._run)
        if wanted:
            self._contents = await self._reader.contents(
                wanted, max_bytes=_CONTENT_BYTES
            )
        self._composer = Composer(self._run, self._contents)

    def shared(self, *, wanted: bool) -> Frames:
        return frame_events(self._run.events, start=self.start, end=self.end)

    def match(self) -> Iterator[None]:
        return self._index.match(self._run, self._contents, self._found)

    def matched(self) -> Iterable[Selection]:
        return self._found

    def is_long(self, selection: Selection) -> bool:
        numbers = self._found[selection]
        return numbers is None or self._composer.is_long(selection, numbers)

    def prepare(self, selection: Selection) -> Iterator[None]:
        return self._composer.prepare(selection, self._found[selection] or ())

    def frames(self, selection: Selection) -> Frames:
        return self._composer.frames(selection, self._found[selection] or ())
