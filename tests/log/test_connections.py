"""Sets of read-only connections: their threads, shared hops, pauses, late reads."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from scripts.signing import create, encode
from tests.history import app_hash_of
from tests.ledger.chains import ALICE
from tests.log.readers import BLOCKS, EVENTS, MEGABYTE, START, open_reader
from tests.log.test_reader import page_after
from trio_stream.ledger.block import Tip
from trio_stream.log.connections import LATE_SECONDS, ConnectionsStatistics
from trio_stream.log.reader import LOOKUP_THREADS


async def test_reads_run_in_threads_by_default(log):
    reader = open_reader(log, run_sync=trio.to_thread.run_sync)
    assert await reader.tip() == Tip(BLOCKS, app_hash_of(BLOCKS))
    assert len(await reader.blocks_after(0, max_bytes=MEGABYTE)) == BLOCKS
    await reader.aclose()


async def test_the_sets_do_not_wait_for_each_other(log):
    """Replay and look-ups stand still; the channel reads on."""
    stuck = trio.Event()

    limiters = []

    async def run_sync(function, *, limiter):
        limiters.append(limiter)
        async with limiter:
            if limiter is not limiters[0]:
                await stuck.wait()
            return function()

    slow = open_reader(log, run_sync=run_sync)
    await slow.tip()
    replay = partial(page_after, slow, START)
    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(replay)
            nursery.start_soon(slow.block, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert (await slow.tip()).height == BLOCKS
        stuck.set()
    await slow.aclose()


async def test_a_pause_waits_for_reads_and_holds_up_new_ones(log):
    under_way = trio.Event()

    limiters = []

    async def run_sync(function, *, limiter):
        limiters.append(limiter)
        async with limiter:
            if limiter is limiters[0] and len(limiters) > 1:
                await under_way.wait()
            return function()

    slow = open_reader(log, run_sync=run_sync)
    await page_after(slow, START)
    order = []

    async def replay():
        await page_after(slow, START)
        order.append("replay")

    async def pause():
        async with slow.paused():
            order.append("paused")
            await trio.testing.wait_all_tasks_blocked()
            order.append("over")

    async def ask():
        await slow.tip()
        order.append("tip")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replay)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(pause)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(replay)
        # What is quick goes on until the slow ones are done.
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert order == ["tip"]
        under_way.set()
    assert order == ["tip", "replay", "paused", "over", "replay"]
    await slow.aclose()


async def test_a_cancelled_pause_lets_go_of_what_it_had(log):
    """Cancelled when it has the searches' and the judges' places, and waits for replay."""
    go = trio.Event()

    async def run_sync(function, *, limiter):
        async with limiter:
            await go.wait()
            return function()

    reader = open_reader(log, run_sync=run_sync)
    at_rest = reader.statistics()
    async with trio.open_nursery() as readers:
        readers.start_soon(page_after, reader, START)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.paused().__aenter__)
            await trio.testing.wait_all_tasks_blocked()
            assert reader.statistics().searches.threads_free == 0
            nursery.cancel_scope.cancel()
        go.set()
    assert reader.statistics() == at_rest
    assert (await reader.tip()).height == BLOCKS
    await reader.aclose()


async def test_what_is_quick_has_no_thread_but_waits_for_a_place(log):
    threads = []

    async def run_sync(function, *, limiter):
        async with limiter:
            threads.append(function)
            return function()

    reader = open_reader(log, run_sync=run_sync)
    small, large = [
        encode(create(ALICE, data={"text": "x" * length})) for length in (1, 3000)
    ]
    known = EVENTS[0].transaction_id
    await reader.examine(small)
    assert await reader.transaction(known) is not None
    assert await reader.outcome(known) == EVENTS[0]
    assert await reader.heights_with(known) == [1]
    assert threads == []
    await reader.examine(large)
    assert len(threads) == 1

    async with trio.open_nursery() as nursery:
        async with reader.paused():
            nursery.start_soon(reader.examine, small)
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
    assert len(threads) == 1
    await reader.aclose()


async def test_look_ups_that_find_all_threads_busy_share_the_next_one(log):
    hops = 0
    go = trio.Event()

    async def counting(function, *, limiter):
        nonlocal hops
        async with limiter:
            hops += 1
            await go.wait()
            return function()

    reader = open_reader(log, run_sync=counting)
    async with trio.open_nursery() as nursery:
        for height in (1, 2, 3, 4, BLOCKS + 1):
            nursery.start_soon(reader.block, height)
            await trio.testing.wait_all_tasks_blocked()
        assert hops == 2
        go.set()
    assert hops == 3
    await reader.aclose()


async def test_reads_that_are_not_answered_in_time_are_reported_and_counted(
    reader, autojump_clock, caplog
):
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(reader.run, stop=stop))
        async with reader.paused():
            await trio.sleep(7)
            for _ in range(3):
                nursery.start_soon(reader.landmarks, None)
            await trio.sleep(LATE_SECONDS - 0.5)
            assert reader.statistics().lookups.reads_late == 0

            nursery.start_soon(reader.landmarks, None)
            await trio.sleep(1)
            lookups = reader.statistics().lookups
            assert (lookups.reads_waiting, lookups.reads_late) == (4, 3)
            assert lookups.oldest_wait == pytest.approx(LATE_SECONDS + 0.5)
            await trio.sleep(2 * LATE_SECONDS)
            assert reader.statistics().lookups.reads_late == 4
        await reader.landmarks(None)
        stop.set()

    assert reader.statistics().lookups == ConnectionsStatistics(
        0, 0.0, 4, LOOKUP_THREADS
    )
    assert reader.statistics().channel == ConnectionsStatistics(0, 0.0, 0, 1)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and "3 reads of" in lines[0] and "look-ups" in lines[0]
