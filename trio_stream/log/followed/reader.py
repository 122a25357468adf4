"""Reading the log of a followed chain beside its writer.

As `log.reader` does for a node's log: async outside, read-only connections in threads inside, in
sets that share nothing, every read a short transaction that ends before its thread returns.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import apsw
import trio

from trio_stream.cometbft.followed import FollowedBlock, FollowedChain, FollowedTip, Gap
from trio_stream.feeds.selection import FeedSelection
from trio_stream.log.connection_sets import ConnectionSets
from trio_stream.log.connections import Connections, ConnectionsStatistics, RunSync
from trio_stream.log.followed import live
from trio_stream.log.followed.blocks import read_block_at
from trio_stream.log.followed.landmarks import landmarks
from trio_stream.log.followed.lookups import (
    LogSummary,
    read_block_text,
    read_transaction_text,
    summary,
)
from trio_stream.log.followed.replay import read_frame_pages, read_frames
from trio_stream.log.followed.rows import newest, stored_chain
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import BelowOldest, PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks

LOOKUP_THREADS: Final = 2
LOOKUPS_TOGETHER: Final = 16
"""Look-ups that share one thread hop when many come at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedReaderStatistics:
    """What `FollowedReader.statistics` returns: the figures of each set of connections."""

    channel: ConnectionsStatistics
    announcing: ConnectionsStatistics
    lookups: ConnectionsStatistics
    replay: ConnectionsStatistics


class FollowedReader:
    """Answers questions about what was followed.

    No method can be cancelled while its thread works.
    """

    def __init__(
        self, path: Path, *, run_sync: RunSync = trio.to_thread.run_sync
    ) -> None:
        self._channel = Connections("channel", path, 1, run_sync, together=1)
        self._announcing = Connections("announcing", path, 1, run_sync, together=1)
        self._lookups = Connections(
            "look-ups",
            path,
            LOOKUP_THREADS,
            run_sync,
            together=LOOKUPS_TOGETHER,
            mapped=True,
        )
        self._replay = Connections("replay", path, 1, run_sync, together=1, mapped=True)
        self._sets = ConnectionSets(
            (self._replay, self._lookups, self._announcing, self._channel)
        )

    async def aclose(self) -> None:
        """Close all connections; no read may be in progress."""
        self._sets.close()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> FollowedReaderStatistics:
        """How many reads wait now, and how many have been late."""
        return FollowedReaderStatistics(
            channel=self._channel.statistics(),
            announcing=self._announcing.statistics(),
            lookups=self._lookups.statistics(),
            replay=self._replay.statistics(),
        )

    async def run(  # noqa: ASYNC128  # the sets say that they have started
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Report and count late reads until `stop` is set."""
        await self._sets.run(stop=stop, task_status=task_status)

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Hold up new reads, once all that are in progress have finished."""
        return self._sets.paused()

    async def chain(self) -> FollowedChain | None:
        """The chain that the log is of; None before that is known."""
        return await self._lookups.read(stored_chain)

    async def tip(self) -> FollowedTip:
        """How far the log is."""
        return await self._channel.read(newest)

    async def blocks_after(
        self, height: int, *, max_bytes: int
    ) -> list[FollowedBlock | Gap]:
        """What follows a height, oldest first: always the first, and more up to `max_bytes`."""
        return await self._channel.read(partial(live.blocks_after, height, max_bytes))

    async def each_after(
        self,
        height: int,
        *,
        take: Callable[[FollowedBlock | Gap], bool],
        is_live: bool,
    ) -> int:
        """Call `take` with what follows a height, as long as it says so and there is more.

        `take` is called in the thread that reads, beside the channel's if it `is_live` and with the
        replays otherwise. Returns the oldest height that is kept.
        """
        readers = self._announcing if is_live else self._replay
        return await readers.read(partial(live.each_after, height, take))

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        """Where the log begins and ends, and what is at a position or a transaction's hash."""
        return await self._lookups.read(partial(landmarks, place))

    async def block(self, height: int) -> FollowedBlock | None:
        """A block with all its transactions; None if the log doesn't have it."""
        return await self._lookups.read(partial(read_block_at, height=height))

    async def summary(self) -> LogSummary:
        """What the log holds."""
        return await self._lookups.read(summary)

    async def block_text(self, height: int) -> bytes | Gap | None:
        """The message of a block, with its header and the hashes of its transactions.

        A gap if it is missing, None if the log doesn't have it.
        """
        return await self._lookups.read(partial(read_block_text, height=height))

    async def transaction_text(self, digest: bytes) -> bytes | None:
        """The message of the newest transaction with this hash, with all that is known of it."""
        return await self._lookups.read(partial(read_transaction_text, digest=digest))

    async def frames(self, request: PageRequest[FeedSelection]) -> Frames:
        """A page of the log, up to the tip at most. Raises `BelowOldest`."""
        found = await self._replay.read(partial(_read_frames, request=request))
        if isinstance(found, int):
            raise BelowOldest(found)
        return found

    async def frame_pages(
        self, request: PageRequest[FeedSelection], *, take: Callable[[Frames], bool]
    ) -> None:
        """Pages as `frames` gives them, one after the other, in one thread hop.

        `take` is called with each in the thread that made it, and says whether to make another. It
        ends without one where the log has been dropped: whoever waits for that asks by itself.
        """
        look = partial(_read_frame_pages, request=request, take=take)
        await self._replay.read(look)


def _read_frames(
    connection: apsw.Connection, request: PageRequest[FeedSelection]
) -> Frames | int:
    # A value: an error that passes from a thread to a task refers to the frames of both.
    try:
        return read_frames(connection, request)
    except BelowOldest as dropped:
        return dropped.oldest


def _read_frame_pages(
    connection: apsw.Connection,
    request: PageRequest[FeedSelection],
    take: Callable[[Frames], bool],
) -> None:
    try:
        read_frame_pages(connection, request, take=take)
    except BelowOldest:
        pass
