"""The state machine's thread: one hop at a time, and every commit is announced.

The application that answers ABCI requests is synchronous code that verifies signatures and writes
to a disk, so it runs in a worker thread, one request after the other. Requests reach it in hops,
and between two hops the most urgent goes next: consensus, then mempool. A hop that the application
calls quick (checks of transactions that it knows already) is answered in place, since the way to
the thread and back would take longer; it waits for its turn like any other. Queries have no turn:
they ask for the newest durable block, which is read in place while the thread is at work.

The thread is never abandoned. A task that is cancelled meanwhile waits for it, and a height that it
made durable is announced before anything else happens, an `await` included, whatever became of the
hop. So no commit is ever missed downstream.

Peers who join load snapshots from disk. That has a thread of its own beside the state machine's, so
that no block waits for it.

An application that raises, instead of answering with a Failure, has lost its log: the error goes up
and ends the daemon, and no other request reaches the application.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple, Protocol

import trio

from trio_stream.abci.connection import is_much
from trio_stream.abci.messages import Answer, Commit, Failure, Request
from trio_stream.abci.routine import Hop, Priority, routine_answer
from trio_stream.net.durations import Durations

logger = logging.getLogger(__name__)

KINDS: Final = ("commit", "block", "check", "restore")
"""What a hop is: a Commit, the execution of a block or of a part of it, checks, or a piece of a
snapshot that is restored."""

_KINDS: Final = {
    Priority.CONSENSUS: "block",
    Priority.RESTORING: "restore",
    Priority.MEMPOOL: "check",
}

RunSync = Callable[..., Awaitable[object]]
"""Runs a function in a thread and waits for it, as `trio.to_thread.run_sync` does."""


class AbciApplication(Protocol):
    """What the engine drives: one call at a time, most of them from a worker thread."""

    @property
    def height(self) -> int:
        """The last height that is durable."""
        ...

    def is_quick(self, requests: Sequence[Request]) -> bool:
        """Whether answering these checks takes less time than the way to a thread and back."""
        ...

    def prepare(self, requests: Sequence[Request]) -> None:
        """Take a look at all requests that `answer` is about to get. Never raises because of what a
        request holds.
        """
        ...

    def answer(self, request: Request, *, owner: int) -> Answer:
        """The answer to a request of the connection `owner`.

        Info, ListSnapshots and LoadSnapshotChunk may be asked while the thread answers something
        else. A fault of the engine is answered with a Failure; raising means that nothing can be
        answered any more.
        """
        ...

    def disown(self, owner: int) -> None:
        """Drop what the connection `owner` began, which has closed. Quick, never raises."""
        ...

    def give_up(self) -> None:
        """End what takes longer than a block, because the daemon stops. Quick, never raises.

        Called while the thread may be at it.
        """
        ...


class StateMachineStatistics(NamedTuple):
    """What `StateMachine.statistics` returns."""

    busy: bool
    waiting: int
    """Hops in line for the thread."""
    closed: int
    """Connections that have closed and that the application has not been told of."""
    announced: int
    """The last height that was announced."""


class StateMachine:
    """An application behind its one thread.

    `on_commit(height)` is called whenever the application's height has moved.
    """

    def __init__(
        self,
        application: AbciApplication,
        *,
        on_commit: Callable[[int], None],
        run_sync: RunSync,
    ) -> None:
        self._application = application
        self._on_commit = on_commit
        self._run_sync = run_sync
        # Its own, so that nobody who uses up the threads that all of Trio shares can stop blocks.
        self._limiter = trio.CapacityLimiter(1)
        # For large requests that do not depend on the state: proposals.
        self._beside = trio.CapacityLimiter(1)
        self._serving = trio.CapacityLimiter(1)
        self._announced = application.height
        self._taken = False
        self._broken = False
        self._waiting = [trio.lowlevel.ParkingLot() for _ in Priority]
        self._commits = 0
        self._unsettled = trio.lowlevel.ParkingLot()
        self._gone: list[int] = []
        self.waits = {kind: Durations() for kind in KINDS}
        """How long hops waited for the thread, by what they are."""
        self.times = {kind: Durations() for kind in KINDS}
        """How long they took."""

    def statistics(self) -> StateMachineStatistics:
        """What the state machine is doing; at rest it is not busy and nobody waits."""
        return StateMachineStatistics(
            self._taken,
            sum(map(len, self._waiting)),
            len(self._gone),
            self._announced,
        )

    async def answer(self, hop: Hop, *, owner: int) -> list[Answer]:
        """Answers to the hop's requests, up to the first Failure.

        If cancelled, it waits for the thread if that has started.
        """
        answers: list[Answer] = []
        work = partial(self._answer_all, hop.requests, owner, answers)
        if hop.priority in (None, Priority.QUERY):
            if is_much(hop.requests):
                await self._run_sync(work, limiter=self._beside)
            else:
                await trio.lowlevel.checkpoint()
                work()
            return answers
        if hop.priority is Priority.SERVING:
            await self._run_sync(work, limiter=self._serving)
            return answers
        is_commit = any(isinstance(each, Commit) for each in hop.requests)
        kind = "commit" if is_commit else _KINDS[hop.priority]
        # The last chunk of a snapshot moves the height as well.
        unsettles = is_commit or hop.priority is Priority.RESTORING
        self._commits += unsettles
        try:
            await self._take_turn(hop, hop.priority, kind, work)
        finally:
            self._commits -= unsettles
            if not self._commits:
                self._unsettled.unpark_all()
        return answers

    async def settled(self) -> None:
        """Wait until no Commit is in progress or in line, nor a chunk of a snapshot.

        An engine that was killed in the middle of one starts again and asks for the height; if the
        answer were the height before the Commit, it would send the same block again.
        """
        await trio.lowlevel.checkpoint()
        while self._commits:
            await self._unsettled.park()

    async def _take_turn(
        self, hop: Hop, priority: Priority, kind: str, work: Callable[[], None]
    ) -> None:
        came = perf_counter()
        if self._taken:
            # Whoever lets go of the thread leaves it taken, on our behalf.
            await self._waiting[priority].park()
        self._taken = True
        began = perf_counter()
        self.waits[kind].add(began - came)
        try:
            if priority is Priority.MEMPOOL and self._application.is_quick(
                hop.requests
            ):
                await trio.lowlevel.checkpoint()
                work()
            else:
                await self._run_sync(work, limiter=self._limiter)
        finally:
            self._announce()
            self._let_go()
            self.times[kind].add(perf_counter() - began)

    def disown(self, owner: int) -> None:
        """Tell the application that a connection has closed, once no thread is using it."""
        self._gone.append(owner)
        if not self._taken:
            self._forget_gone()

    def _answer_all(
        self, requests: Sequence[Request], owner: int, answers: list[Answer]
    ) -> None:
        """Fill `answers`, in the thread; only the last one can be a Failure."""
        try:
            if len(requests) > 1:
                self._application.prepare(requests)
            for request in requests:
                answer = routine_answer(request)
                if answer is None:
                    answer = self._application.answer(request, owner=owner)
                answers.append(answer)
                if isinstance(answer, Failure):
                    return
        except BaseException:
            self._broken = True
            raise

    def _announce(self) -> None:
        height = self._application.height
        if height != self._announced:
            self._announced = height
            logger.info("height %d is committed", height)
            self._on_commit(height)

    def _let_go(self) -> None:
        if self._broken:
            # Nobody gets in again; those waiting are cancelled with their nursery.
            return
        self._forget_gone()
        for waiting in self._waiting:
            if waiting:
                waiting.unpark()
                return
        self._taken = False

    def _forget_gone(self) -> None:
        for owner in self._gone:
            self._application.disown(owner)
        self._gone.clear()
