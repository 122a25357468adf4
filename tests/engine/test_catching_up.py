"""A line every ten seconds while blocks are replayed, and none otherwise."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from trio_stream.engine.catching_up import CatchingUp


async def commits(noted: CatchingUp, first: int, last: int, *, every: float) -> None:
    for height in range(first, last + 1):
        await trio.sleep(every)
        noted.committed(height)


async def test_a_replay_is_reported_until_it_has_caught_up(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    noted = CatchingUp(100)
    await commits(noted, 101, 5_220, every=1 / 256)
    await commits(noted, 5_221, 5_250, every=1)
    assert caplog.messages == [
        "catching up: at height 2660, 256 blocks per second",
        "catching up: at height 5220, 256 blocks per second",
        "caught up at height 5230",
    ]


@pytest.mark.parametrize("every", [0.2, 1, 3_600])
async def test_blocks_as_they_are_made_are_not(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, every: float
) -> None:
    caplog.set_level(logging.INFO)
    await commits(CatchingUp(0), 1, 200, every=every)
    assert not caplog.messages
