"""Turns for work that can wait: one piece of it each time all other tasks have had theirs.

Trio runs every task that is ready before it looks at its sockets again. So a thousand subscribers
who come at once, or go, or all read the log, would make one step of the event loop as long as a
thousand pieces of work, and a Commit that arrives meanwhile would wait for it, several times over.
Here they queue, and a step holds one piece. While something more urgent wants the processor, the
queue moves seldom; it never stands still.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

HELD_SECONDS: Final = 0.005
"""Between two turns, at most, while they are held; many who read the log then still get 50 MB/s."""
QUIET_SECONDS: Final = 0.025
"""For which what takes milliseconds in a thread waits, at most, while turns are held."""


class Turns:
    """A queue for turns, which anybody may take while nobody gives them."""

    def __init__(self) -> None:
        self._queue = trio.lowlevel.ParkingLot()
        self._given = False
        self._free = True
        self._taken = trio.Event()
        self._held = 0
        self._released = trio.Event()

    async def turn(self) -> None:
        """Wait for a turn; what follows up to the next `await` is the piece of work.

        Not always a checkpoint.
        """
        if self._free:
            self._free = not self._given
            self._taken.set()
        else:
            await self._queue.park()

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs turns are rare."""
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
        """Give turns, for ever. When this is cancelled, everybody has one."""
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
