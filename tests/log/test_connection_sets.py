"""Sets of connections are held, watched and closed together."""

from __future__ import annotations

import logging
from functools import partial

import pytest
import trio
import trio.testing

from tests.log.readers import inline
from trio_stream.log.connection_sets import ConnectionSets
from trio_stream.log.connections import LATE_SECONDS, Connections
from trio_stream.log.rows import row


def one(connection):
    return row(connection, "SELECT 1")


async def stuck(function, *, limiter):
    async with limiter:
        await trio.sleep_forever()


@pytest.fixture
def made(log):
    """Two sets: one that answers, and one whose thread is stuck."""
    first = Connections("first", log.path, 1, inline, together=1)
    second = Connections("second", log.path, 1, stuck, together=1)
    sets = ConnectionSets((first, second))
    yield sets, first, second
    sets.close()


async def test_all_wait_while_they_are_paused(made):
    sets, first, _ = made
    async with trio.open_nursery() as nursery:
        async with sets.paused():
            nursery.start_soon(first.read, one)
            await trio.testing.wait_all_tasks_blocked()
            assert first.statistics().reads_waiting == 1
    assert await first.read(one) == (1,)


async def test_late_reads_of_each_are_reported(made, autojump_clock, caplog):
    sets, _, second = made
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(sets.run, stop=stop))
        nursery.start_soon(second.read, one)
        with caplog.at_level(logging.WARNING):
            await trio.sleep(LATE_SECONDS + 1)
        assert "(second)" in caplog.text
        stop.set()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
