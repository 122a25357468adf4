"""What has passed through the channel, counted and logged."""

from __future__ import annotations

import logging

import pytest
import trio

from tests.memory_log import app_hash, event, refusal
from trio_stream.abci.messages import Time
from trio_stream.channel.tally import REFUSED_AT_ONCE, Tally, TallyStatistics
from trio_stream.stream.events import CommittedBlock


def block(height: int, events: int, refused: int) -> CommittedBlock:
    return CommittedBlock(
        height,
        app_hash(height),
        tuple(event(height, index) for index in range(events)),
        tuple(refusal(height, events + index) for index in range(refused)),
        Time(height, 0),
    )


async def test_blocks_events_and_refusals_are_counted() -> None:
    tally = Tally()
    assert tally.statistics() == TallyStatistics(0, 0, {}, 0)
    tally.count([block(7, 2, 0), block(8, 0, 3)])
    tally.count([block(9, 1, 1)])
    assert tally.statistics() == TallyStatistics(3, 3, {"DoubleSpend": 4}, 7)
    assert tally.newest == (9, Time(9, 0))
    await trio.lowlevel.checkpoint()


async def test_refusals_are_logged_up_to_a_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tally = Tally()
    tally.count([block(7, 1, 1)])
    assert caplog.messages == [
        "transaction 1 of block 7 was refused: DoubleSpend: spent"
    ]
    caplog.clear()
    tally.count([block(8, 0, REFUSED_AT_ONCE + 5)])
    assert len(caplog.messages) == REFUSED_AT_ONCE + 1
    assert caplog.messages[-1] == "5 more transactions of block 8 were refused"
    await trio.lowlevel.checkpoint()
