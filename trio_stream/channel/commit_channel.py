"""The commit channel: from one writer to any number of subscribers.

What it is given is a level, "the tip is now h", and never an event: a level
cannot be lost and needs no buffer. What was committed is read back from the log, so what
subscribers see is what is durable. Each block is framed once, put at the end of a
bounded tail in memory, and given to all clones that wait for it.

The channel knows neither sockets nor clients, which the doors do, nor what blocks hold: that is the
matter of a `Kind`. `channel.clones` says how clones read, `channel.waiters` how waiting clones are
served.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.groups import SendNowait
from trio_stream.channel.kind import Kind
from trio_stream.channel.pages import log_fell_short
from trio_stream.channel.tally import NewestBlock, TallyStatistics
from trio_stream.channel.waiters import Clones, ClonesStatistics
from trio_stream.net.durations import Durations
from trio_stream.stream.page_request import BelowOldest, S
from trio_stream.stream.position import GivenPosition, Position, position_text
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.resume import (
    Beginning,
    ResumeRefused,
    begin,
    place_of,
    prove,
    unreadable,
)
from trio_stream.stream.streams import Streams

# For work that has passed another limiter already.
_UNLIMITED = trio.CapacityLimiter(math.inf)


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


class CommitChannel(Generic[S]):
    """Announces commits, and makes the clones that read them."""

    def __init__(
        self,
        kind: Kind[S],
        *,
        tail_bytes: int = 8 * 1024 * 1024,
        resume_ahead: int = 100,
    ) -> None:
        self.ended = trio.Event()
        self._kind = kind
        self._resume_ahead = resume_ahead
        self._clones = Clones(kind, tail_bytes=tail_bytes)
        self._tip = 0
        self._height = 0
        self._moved = trio.Event()

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
            passed=self._kind.tally.statistics(),
            times=clones.times,
            sent_in_passes=clones.sent_in_passes,
            sent_by_tasks=clones.sent_by_tasks,
            most_behind=clones.most_behind(),
            turns_waiting=clones.turns.statistics().waiting,
        )

    @property
    def newest(self) -> NewestBlock:
        """The newest block that is on its way to subscribers."""
        return self._kind.tally.newest

    @property
    def streams(self) -> Streams[S]:
        """What there is to subscribe to."""
        return self._kind.streams

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

    async def begin(self, asked: Asked[S]) -> Beginning:
        """Where a stream begins; "from now on" is the end of the log. Raises `ResumeRefused`."""
        landmarks = await self._kind.landmarks(place_of(asked.after))
        return begin(
            asked,
            landmarks,
            resume_ahead=self._resume_ahead,
            finds_refused=self.streams.finds_refused(asked.selection),
        )

    async def refuse(self, error: BadRequest) -> ResumeRefused:
        """The refusal of an unreadable request, which says what is available."""
        return unreadable(error, await self._kind.landmarks(None))

    async def prove(self, beginning: Beginning) -> None:
        """Compare a fingerprint once the log has reached its position. Raises `ResumeRefused`."""
        landmarks = await self._kind.landmarks(beginning.after)
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
        landmarks = await self._kind.landmarks(position)
        found = landmarks.found
        if position == landmarks.start.position:
            found = landmarks.start
        return position_text(*position, found.fingerprint if found else None)

    def clone(
        self,
        after: Position,
        *,
        selection: S | None = None,
        until: Position | None = None,
        send_nowait: SendNowait | None = None,
    ) -> CommitReceiveChannel[S]:
        """A reader of what is selected after `after`, up to `until`.

        It has the shared selection unless another is given.
        """
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
        start, tip = await self._kind.extent()
        self._tip = max(self._tip, tip)
        self._begin_at(max(self._tip - self._kind.primed, start))
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
        try:
            read = await self._kind.read_after(self._height)
        except BelowOldest as dropped:
            # Everybody is woken, stands below the tail, and learns from the log what is missing.
            self._begin_at(dropped.oldest - 1)
            return
        if read is None:
            raise log_fell_short(self._height, self._tip)
        self._height = read.height
        for live in read.lives:
            # A huge block is many runs: other tasks have a turn between two of them.
            await trio.lowlevel.checkpoint()
            await self._clones.publish(live)

    def _begin_at(self, height: int) -> None:
        self._height = height
        self._clones.begin(Position.end_of(height))

    def _end(self) -> None:
        self._clones.end()
        self.ended.set()
        self._kind.end()
