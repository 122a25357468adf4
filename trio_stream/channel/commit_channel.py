"""The commit channel: from one writer to any number of subscribers.

What it is given is a level, "the tip is now h", and never an event: a level
cannot be lost and needs no buffer. What was committed is read back from the log, so what
subscribers see is what is durable. Each block is framed once, put at the end of a
bounded tail in memory, and given to all clones that wait for it.

The channel knows neither sockets nor clients; the doors do. `channel.clones` says how clones read,
`channel.waiters` how waiting clones are served.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.pages import Replay, log_fell_short
from trio_stream.channel.tally import NewestBlock, Tally, TallyStatistics
from trio_stream.channel.waiters import Clones, ClonesStatistics, SendNowait
from trio_stream.channel.watches import Watch, Watches
from trio_stream.net.durations import Durations
from trio_stream.stream.events import CommittedBlock
from trio_stream.stream.filters import Contents
from trio_stream.stream.position import GivenPosition, Position, position_text
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.resume import (
    Beginning,
    Landmarks,
    ResumeRefused,
    begin,
    place_of,
    prove,
    unreadable,
)
from trio_stream.stream.runs import cut
from trio_stream.stream.selection import PLAIN, Selection

# Contents of transactions that are read for filters and full messages. Beyond that, the
# subscribers who need them read the log.
_CONTENT_BYTES = 1024 * 1024
# Blocks read in one go when the channel is behind: their frames are made in Python.
_READ_BYTES = 256 * 1024
# The newest blocks are read at the start, for subscribers who were away for a moment.
_PRIMED_BLOCKS = 64
# For work that has passed another limiter already.
_UNLIMITED = trio.CapacityLimiter(math.inf)


class HasHeight(Protocol):
    @property
    def height(self) -> int: ...


class BlockReader(Replay[Selection], Protocol):
    """What the channel needs of the log."""

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


class ChannelStatistics(NamedTuple):
    """What `CommitChannel.statistics` returns."""

    clones: ClonesStatistics
    passed: TallyStatistics
    times: Durations
    """How long it took to give a run of blocks to all who waited."""
    sent_in_passes: int
    sent_by_tasks: int
    """Bytes that subscribers were sent: in a pass over those who wait, and by their own tasks."""
    most_behind: int
    """By how many blocks the slowest subscriber is behind."""
    turns_waiting: int
    """Clients that wait for their turn to connect or to read the log."""


class CommitChannel:
    """Announces commits, and makes the clones that read them."""

    def __init__(
        self,
        reader: BlockReader,
        *,
        tail_bytes: int = 8 * 1024 * 1024,
        resume_ahead: int = 100,
    ) -> None:
        self.ended = trio.Event()
        self._reader = reader
        self._resume_ahead = resume_ahead
        self._clones = Clones(reader, tail_bytes=tail_bytes)
        self._tip = 0
        self._height = 0
        self._tally = Tally()
        self._moved = trio.Event()
        self._watches = Watches()

    def advance(self, tip: int) -> None:
        """Say that all blocks up to `tip` are durable. A plain function."""
        if tip > self._tip:
            self._tip = tip
            self._moved.set()

    def statistics(self) -> ChannelStatistics:
        """The figures of blocks, clones, turns and the tail."""
        clones = self._clones
        return ChannelStatistics(
            clones=clones.statistics(),
            passed=self._tally.statistics(),
            times=clones.times,
            sent_in_passes=clones.sent_in_passes,
            sent_by_tasks=clones.sent_by_tasks,
            most_behind=clones.most_behind(),
            turns_waiting=clones.turns.statistics().waiting,
        )

    @property
    def newest(self) -> NewestBlock:
        """The newest block that is on its way to subscribers."""
        return self._tally.newest

    @property
    def bytes_framed(self) -> int:
        """An upper bound for the bytes that any one subscriber was sent in place."""
        return self._clones.bytes_framed

    @property
    def height(self) -> int:
        """The newest block that has been given to subscribers."""
        return self._clones.tail.end.height

    async def turn(self) -> None:
        """Wait for a turn among the clients that connect and those that read the log."""
        await self._clones.turns.turn()

    async def begin(self, asked: Asked) -> Beginning:
        """Where a stream begins; "from now on" is the end of the log. Raises `ResumeRefused`."""
        landmarks = await self._reader.landmarks(place_of(asked.after))
        return begin(asked, landmarks, resume_ahead=self._resume_ahead)

    async def refuse(self, error: BadRequest) -> ResumeRefused:
        """The refusal of an unreadable request, which says what is available."""
        return unreadable(error, await self._reader.landmarks(None))

    async def prove(self, beginning: Beginning) -> None:
        """Compare a fingerprint once the log has reached its position. Raises `ResumeRefused`."""
        landmarks = await self._reader.landmarks(beginning.after)
        given = GivenPosition(beginning.after, beginning.unproven)
        prove(given, landmarks.found or landmarks.start, landmarks)

    @property
    def end_text(self) -> str | None:
        """The position of all waiting clones as clients see it; None if it is not known."""
        clones = self._clones
        if clones.fingerprint is None:
            return None
        return position_text(*clones.tail.end, clones.fingerprint)

    async def position_text(self, position: Position) -> str:
        """A position as clients see it."""
        known = self.end_text
        if known is not None and position == self._clones.tail.end:
            return known
        landmarks = await self._reader.landmarks(position)
        found = landmarks.found
        if position == landmarks.start.position:
            found = landmarks.start
        return position_text(*position, found.fingerprint if found else None)

    def clone(
        self,
        after: Position,
        *,
        selection: Selection = PLAIN,
        until: Position | None = None,
        send_nowait: SendNowait | None = None,
    ) -> CommitReceiveChannel:
        """A reader of everything selected after `after`, up to `until`."""
        return CommitReceiveChannel(
            self._clones, after, send_nowait, selection=selection, until=until
        )

    async def run_undisturbed(
        self, work: Callable[[], object], *, limiter: trio.CapacityLimiter
    ) -> object:
        """Like `trio.to_thread.run_sync`; turns are rare meanwhile."""
        with self._clones.turns.held():
            return await trio.to_thread.run_sync(work, limiter=limiter)

    async def run_in_turn(
        self, work: Callable[[], object], *, limiter: trio.CapacityLimiter
    ) -> object:
        """Like `trio.to_thread.run_sync`, started at a turn, rarely beside `run_undisturbed`."""
        async with limiter:
            await self._clones.turns.quiet()
            await self.turn()
            return await trio.to_thread.run_sync(work, limiter=_UNLIMITED)

    def watch(self, tx_sha256: bytes) -> AbstractContextManager[Watch]:
        """Wait for the transaction whose bytes have this SHA-256.

        Only blocks that are announced from now on count, whether they accept or refuse the
        transaction. Raises `TooManyWatches`.
        """
        return self._watches.watch(tx_sha256)

    async def run(
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Follow the tip; once `stop` is set, reach it one last time and end.

        Clones then get what the tail still has for them, and `trio.EndOfChannel`; so they do
        if this is cancelled or the log raises.
        """
        try:
            await self._prime()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake_at, stop)
                nursery.start_soon(self._clones.pages.read_ahead)
                nursery.start_soon(self._clones.turns.give)
                task_status.started()
                await self._follow(stop)
                await self._clones.end_gently()
                nursery.cancel_scope.cancel()
        finally:
            self._end()

    async def _prime(self) -> None:
        self._tip = max(self._tip, (await self._reader.tip()).height)
        self._height = max(self._tip - _PRIMED_BLOCKS, 0)
        self._clones.begin(Position.end_of(self._height))
        while self._height < self._tip:
            await self._read_on()

    async def _wake_at(self, stop: trio.Event) -> None:
        await stop.wait()
        self._moved.set()

    async def _follow(self, stop: trio.Event) -> None:
        while True:
            if self._height < self._tip:
                await self._read_on()
            elif stop.is_set():
                return
            else:
                self._moved = trio.Event()
                await self._moved.wait()

    async def _read_on(self) -> None:
        blocks = await self._reader.blocks_after(self._height, max_bytes=_READ_BYTES)
        if not blocks:
            raise log_fell_short(self._height, self._tip)
        self._watches.decide(blocks)
        after, self._height = Position.end_of(self._height), blocks[-1].height
        self._tally.count(blocks)
        for run in cut(blocks, after=after):
            # A huge block is many runs: other tasks have a turn between two of them.
            await trio.lowlevel.checkpoint()
            wanted = self._clones.wanted(run)
            contents: Mapping[int, Contents] = {}
            if wanted:
                contents = await self._reader.contents(wanted, max_bytes=_CONTENT_BYTES)
            await self._clones.publish(run, contents)

    def _end(self) -> None:
        self._clones.end()
        self.ended.set()
        self._watches.end()
