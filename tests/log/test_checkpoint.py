"""The write-ahead log stays short, whoever reads."""

from __future__ import annotations

from functools import partial

import apsw
import pytest
import trio
import trio.testing

from tests.history import assert_whole, commit_blocks
from tests.log.readers import inline, open_reader
from trio_stream.log.checkpoint import Checkpointer
from trio_stream.log.file import open_for_reading
from trio_stream.log.writer import CommitLog

STEP = 400_000
LIMIT = 1_200_000


@pytest.fixture
def log(tmp_path):
    with CommitLog.open(tmp_path) as log:
        yield log


@pytest.fixture
async def checkpointer(log, nursery):
    reader = open_reader(log)
    checkpointer = Checkpointer(log, reader, run_sync=inline, step=STEP, limit=LIMIT)
    await nursery.start(partial(checkpointer.run, stop=trio.Event()))
    yield checkpointer
    await reader.aclose()


async def commit(log, checkpointer, *, blocks=200):
    """Commit as the daemon does; the largest write-ahead log on the way."""
    largest = 0
    for _ in range(blocks):
        commit_blocks(log, 1)
        largest = max(largest, log.wal_bytes)
        checkpointer.committed()
        await trio.testing.wait_all_tasks_blocked()
    return largest


async def test_it_begins_anew_after_a_step(log, checkpointer, tmp_path):
    largest = await commit(log, checkpointer)
    assert STEP < largest < 1.5 * STEP
    assert assert_whole(tmp_path) == 200


@pytest.mark.slow
async def test_a_reader_inside_keeps_it_growing_but_loses_nothing(
    log, checkpointer, tmp_path, caplog
):
    """Another process reads all the time: commits go on, and the operator is warned."""
    commit_blocks(log, 1)
    other = open_for_reading(log.path)
    with other:
        other.execute("SELECT * FROM blocks").fetchall()
        largest = await commit(log, checkpointer)
    assert largest > LIMIT
    assert "another program reads" in caplog.text
    other.close()
    await commit(log, checkpointer, blocks=60)
    assert log.wal_bytes < LIMIT
    assert assert_whole(tmp_path) == 261


@pytest.mark.slow
async def test_readers_elsewhere_that_follow_closely_hold_up_no_block(
    log, checkpointer, tmp_path, caplog
):
    """Two take turns, each on a state of a few blocks ago: some reader is always inside."""
    commit_blocks(log, 1)
    others = [open_for_reading(log.path) for _ in range(2)]
    largest = 0
    for turn in range(20):
        if turn > 1:
            others[turn % 2].execute("COMMIT")
        others[turn % 2].execute("BEGIN")
        others[turn % 2].execute("SELECT * FROM blocks").fetchall()
        largest = max(largest, await commit(log, checkpointer, blocks=5))
    assert largest > LIMIT
    assert "another program reads" in caplog.text
    for other in others:
        other.close()
    assert assert_whole(tmp_path) == 101


async def test_overlapping_readers_are_held_up_at_the_limit(log, nursery, tmp_path):
    """Each read begins before the one before it ends, so that some reader is always inside."""
    reader = open_reader(log)
    first, second = (open_for_reading(log.path) for _ in range(2))
    inside = []

    def enter(connection):
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM blocks").fetchall()
        inside.append(connection)

    def leave():
        inside.pop(0).execute("COMMIT")

    class Pausing:
        """Stands for the reader sets: a pause waits until their reads have ended."""

        pauses = 0

        def paused(self):
            self.pauses += 1
            while inside:
                leave()
            return reader.paused()

    pausing = Pausing()
    checkpointer = Checkpointer(log, pausing, run_sync=inline, step=STEP, limit=LIMIT)
    await nursery.start(partial(checkpointer.run, stop=trio.Event()))
    largest = 0
    for turn in range(300):
        enter((first, second)[turn % 2])
        if len(inside) == 2:
            leave()
        largest = max(largest, await commit(log, checkpointer, blocks=1))
    assert pausing.pauses >= 2
    assert LIMIT <= largest < LIMIT + 2 * STEP
    first.close()
    second.close()
    await reader.aclose()


async def test_it_ends_when_asked(log):
    reader = open_reader(log)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        checkpointer = Checkpointer(log, reader)
        await nursery.start(partial(checkpointer.run, stop=stop))
        stop.set()
    await reader.aclose()


async def test_a_copy_made_in_a_thread_leaves_nothing_in_the_write_ahead_log(log):
    copied, stop = trio.Event(), trio.Event()

    async def run_sync(function, *, limiter):
        await trio.to_thread.run_sync(function, limiter=limiter)
        copied.set()

    reader = open_reader(log)
    commit_blocks(log, 20)
    checkpointer = Checkpointer(log, reader, run_sync=run_sync, step=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(checkpointer.run, stop=stop))
        checkpointer.committed()
        await copied.wait()
        stop.set()
    frames, moved = log.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    assert frames == moved > 0
    await reader.aclose()
