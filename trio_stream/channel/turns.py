"""Turns for work that can wait: one piece of it in each step of the event loop.

Trio runs every task that is ready before it looks at its sockets again. If a thousand subscribers
connect, leave or read the log at once, one step of the event loop would take as long as a thousand
pieces of work, and a Commit that arrives meanwhile would have to wait for several such steps.
So they queue here, and a step does one piece. While something more urgent needs the processor, the
queue moves slowly; it never stops.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import trio

HELD_SECONDS: Final = 0.005
"""At most this long between two turns while they are held; replay still gets 50 MB/s then."""
QUIET_SECONDS: Final = 0.025
"""At most this long `quiet` waits while turns are held: for work of milliseconds in a thread."""


class TurnsStatistics(NamedTuple):
    waiting: int
    """Tasks in the queue."""
    held: int
    """How many `held` blocks are being run."""
    free: bool
    """Whether the next turn is to be had at once."""


class Turns:
    """A queue for turns. While `give` is not running, everybody gets one at once."""

    def __init__(self) -> None:
        self._queue = trio.lowlevel.ParkingLot()
        self._given = False
        self._free = True
        self._taken = trio.Event()
        self._held = 0
        self._released = trio.Event()

    def statistics(self) -> TurnsStatistics:
        return TurnsStatistics(len(self._queue), self._held, self._free)

    async def turn(self) -> None:
        """Wait for a turn; the piece of work is what follows up to the next `await`.

        Not always a checkpoint.
        """
        if self._free:
            self._free = not self._given
            self._taken.set()
        else:
            await self._queue.park()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make turns rare until the end of the block."""
        if not self._held:
            self._released = trio.Event()
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held:
                self._released.set()

    async def quiet(self) -> None:
        """Wait until turns are not held, but not for long. Not always a checkpoint."""
        if self._held:
            with trio.move_on_after(QUIET_SECONDS):
                while self._held:
                    await self._released.wait()

    async def give(self) -> None:
        """Give turns, for ever. When this is cancelled, everybody who waits gets one."""
        self._given = True
        try:
            while True:
                self._free, self._taken = True, trio.Event()
                await self._taken.wait()
                await self._pass()
                while self._queue:
                    self._queue.unpark()
                    await self._pass()
        finally:
            self._given, self._free = False, True
            self._queue.unpark_all()

    async def _pass(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._held:
            with trio.move_on_after(HELD_SECONDS):
                await self._released.wait()
