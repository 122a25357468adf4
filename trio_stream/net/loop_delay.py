"""How late the event loop is: whatever holds it up holds up everybody.

A task sleeps for a moment again and again, and notes by how much it overslept: for so long other
tasks ran, one after the other. It is a measurement, so it does not wait for anything to happen.
"""

from __future__ import annotations

from typing import Final

import trio

from trio_stream.net.durations import Durations

TICK: Final = 0.25
"""Seconds between two looks. A step of the loop that takes longer is always seen, a shorter one as
often as it happens to be the one that is looked at."""


class LoopDelay:
    """One task of the daemon's nursery."""

    def __init__(self) -> None:
        self.delays = Durations()

    async def run(
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Measure until `stop` is set."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._measure)
            task_status.started()
            await stop.wait()
            nursery.cancel_scope.cancel()

    async def _measure(self) -> None:
        while True:
            due = trio.current_time() + TICK
            await trio.sleep_until(due)
            self.delays.add(max(0.0, trio.current_time() - due))
