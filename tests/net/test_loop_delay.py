"""How late the event loop is."""

from __future__ import annotations

from functools import partial

import trio
from trio.testing import MockClock

from trio_stream.net.durations import BOUNDS
from trio_stream.net.loop_delay import TICK, LoopDelay


async def test_a_step_that_takes_long_is_seen(mock_clock: MockClock) -> None:
    loop, stop = LoopDelay(), trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(loop.run, stop=stop))
        await trio.testing.wait_all_tasks_blocked()
        for late in (0.0, 0.3):
            mock_clock.jump(TICK + late)
            await trio.testing.wait_all_tasks_blocked()
        stop.set()
    found = loop.delays.distribution()
    assert found.up_to[-1] == 2
    assert dict(zip(BOUNDS, found.up_to, strict=False))[0.25] == 1
