"""Read-only connections to the commit log, behind threads of their own.

Each set serves one purpose and shares nothing with the others, so that reads of one kind wait only
for their own kind. Every read is a short transaction that ends before its thread returns: it sees
one state of the log, and no checkpoint waits for a reader longer than one read takes.

A quick read (an index or two, some microseconds) is not worth a thread: the hop takes ten times as
long, and two threads of Python get in each other's way. So quick reads happen in place, in a step
of the event loop, several at once; whatever may take long gets a thread.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast

import apsw
import trio
from outcome import Outcome as Captured
from outcome import capture

from trio_stream.gathering import Gathering
from trio_stream.log.errors import translated
from trio_stream.log.file import open_for_reading

T = TypeVar("T")
Look = Callable[[apsw.Connection], object]

RunSync = Callable[..., Awaitable[object]]
"""Runs a function in a thread and waits for it, as `trio.to_thread.run_sync` does."""


logger = logging.getLogger(__name__)

LATE_SECONDS: Final = 10.0
"""A read that takes longer is reported. A search may take half as long, others milliseconds."""


@dataclass(frozen=True, slots=True)
class ConnectionsStatistics:
    """What `Connections.statistics` returns."""

    reads_waiting: int
    """Reads that have not been answered yet."""
    oldest_wait: float
    """Seconds that the oldest of these has waited."""
    reads_late: int
    """Reads since the start that were not answered within `LATE_SECONDS`."""
    threads_free: int
    """Reads that could start now, each in a thread and on a connection of its own."""


class _Asked:
    __slots__ = ("look", "quick", "since", "is_late")

    def __init__(self, look: Look, quick: bool, since: float) -> None:
        self.look = look
        self.quick = quick
        self.since = since
        self.is_late = False


class Connections:
    """Connections of one purpose, each used by one thread at a time.

    Reads that find all threads busy share the next free one, up to `together` of them: a thread
    hop costs as much as most look-ups do. `mapped` is for reads that a connection's own cache
    would not help: at random places, or of the whole log.
    """

    def __init__(
        self,
        purpose: str,
        path: Path,
        count: int,
        run_sync: RunSync,
        *,
        together: int,
        mapped: bool = False,
    ) -> None:
        self._purpose = purpose
        self._path = path
        self._limiter = trio.CapacityLimiter(count)
        self._run_sync = run_sync
        self._looks: Gathering[_Asked, object]
        self._looks = Gathering(self._ask, turns=count, limit=together)
        self._waiting: dict[_Asked, None] = {}
        self._reads_late = 0
        self._idle: deque[apsw.Connection] = deque()
        with translated("open", path):
            self._idle.extend(
                open_for_reading(path, mapped=mapped) for _ in range(count)
            )

    async def read(
        self, look: Callable[[apsw.Connection], T], *, quick: bool = False
    ) -> T:
        """What `look` finds; `quick` if that always takes microseconds."""
        asked = _Asked(look, quick, trio.current_time())
        self._waiting[asked] = None
        try:
            return cast(T, await self._looks.ask(asked))
        finally:
            del self._waiting[asked]

    def statistics(self) -> ConnectionsStatistics:
        """How many reads wait now, and how many have been late."""
        oldest = next(iter(self._waiting), None)
        waited = 0.0 if oldest is None else trio.current_time() - oldest.since
        return ConnectionsStatistics(
            reads_waiting=len(self._waiting),
            oldest_wait=waited,
            reads_late=self._reads_late,
            threads_free=min(len(self._idle), int(self._limiter.available_tokens)),
        )

    async def watch(self) -> None:
        """Report reads as soon as they are late. Never returns."""
        while True:
            # No read that starts from now on can be late before that.
            due = trio.current_time() + LATE_SECONDS
            in_time = (each for each in self._waiting if not each.is_late)
            if (oldest := next(in_time, None)) is not None:
                due = oldest.since + LATE_SECONDS
            await trio.sleep_until(due)
            if self._report_late():
                # A crowd of late reads gets one line, not one line each.
                await trio.sleep(LATE_SECONDS)

    def _report_late(self) -> bool:
        latest = trio.current_time() - LATE_SECONDS
        late = [e for e in self._waiting if not e.is_late and e.since <= latest]
        for each in late:
            each.is_late = True
        self._reads_late += len(late)
        if late:
            logger.warning(
                "%d reads of %s (%s) have not been answered after %g s; %d are waiting",
                len(late),
                self._path,
                self._purpose,
                LATE_SECONDS,
                len(self._waiting),
            )
        return bool(late)

    async def _ask(self, asked: Sequence[_Asked]) -> Sequence[Captured[object]]:
        look_all = partial(self._look_all, [each.look for each in asked])
        if all(each.quick for each in asked):
            async with self._limiter:
                return look_all()
        found = await self._run_sync(look_all, limiter=self._limiter)
        return cast("Sequence[Captured[object]]", found)

    async def hold(self, stack: AsyncExitStack) -> None:
        """Occupy all threads until `stack` unwinds."""
        for _ in range(int(self._limiter.total_tokens)):
            borrower = object()
            await self._limiter.acquire_on_behalf_of(borrower)
            stack.callback(self._limiter.release_on_behalf_of, borrower)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _look_all(self, looks: Sequence[Look]) -> Sequence[Captured[object]]:
        # The limiter admits as many threads as there are connections.
        connection = self._idle.pop()
        try:
            with translated("read", self._path), connection:
                found = [capture(self._look, look, connection) for look in looks]
            return found
        finally:
            self._idle.append(connection)

    def _look(self, look: Look, connection: apsw.Connection) -> object:
        with translated("read", self._path):
            return look(connection)
