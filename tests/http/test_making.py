"""A limited number of answers is made at once."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from trio_stream.http.making import some_at_a_time


async def test_at_most_so_many_are_made_at_once(autojump_clock: MockClock) -> None:
    now, most = 0, 0

    async def make(seconds: float) -> float:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            await trio.sleep(seconds)
            return seconds
        finally:
            now -= 1

    made = some_at_a_time(make, 3)

    async def ask(seconds: float, patience: float) -> None:
        with trio.move_on_after(patience):
            assert await made(seconds) == seconds

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(ask, number % 5, number % 7)
    assert (now, most) == (0, 3)
    # None of the places is lost with those who gave up.
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask, 1, 10)
    assert trio.current_time() - began == 1
