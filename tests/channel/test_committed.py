"""A node's blocks on their way to the channel, and to requests that wait for a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from tests.memory_log import MemoryLog, event, refusal, sha256
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.channel.tally import TallyStatistics
from trio_stream.stream.frames import frame_events
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Form, Selection

FULL = Selection(form=Form.FULL)


@asynccontextmanager
async def running(
    log: MemoryLog,
) -> AsyncIterator[tuple[CommitChannel[Selection], CommittedBlocks, trio.Event]]:
    """A channel that follows the log, its blocks, and the event that stops it."""
    blocks, stop = CommittedBlocks(log), trio.Event()
    channel = CommitChannel(blocks)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=stop))
        yield channel, blocks, stop
        stop.set()


async def test_what_follows_a_height_is_counted_and_cut() -> None:
    log = MemoryLog()
    blocks = CommittedBlocks(log)
    assert await blocks.extent() == (0, 0)
    assert await blocks.read_after(0) is None
    log.commit(2)
    log.commit(1, refused=[0])

    read = await blocks.read_after(0)

    assert read is not None and read.height == 2
    (live,) = read.lives
    assert (live.start, live.end) == (Position.end_of(0), Position.end_of(2))
    assert live.fingerprint == log.blocks[-1].app_hash
    assert blocks.tally.statistics() == TallyStatistics(2, 3, {"DoubleSpend": 1}, 4)
    assert await blocks.extent() == (0, 2)


async def test_contents_are_read_for_those_alone_who_ask_about_them() -> None:
    log = MemoryLog()
    log.commit(2)
    blocks = CommittedBlocks(log)

    async def found() -> dict[Selection, bool]:
        read = await blocks.read_after(0)
        assert read is not None
        (live,) = read.lives
        await live.fetch()
        for _ in live.match():
            pass
        return {each: live.is_long(each) for each in live.matched()}

    blocks.index.add(Selection(form=Form.POSITION))
    await found()
    assert not log.looked_into
    blocks.index.add(FULL)
    assert not (await found())[FULL]
    assert len(log.looked_into) == 2
    log.most_contents = 1
    assert (await found())[FULL]  # not known, so the log is read


async def test_shared_frames_are_made_whether_or_not_somebody_reads_them() -> None:
    log = MemoryLog()
    log.commit(2)
    read = await CommittedBlocks(log).read_after(0)
    assert read is not None
    (live,) = read.lives
    frames = live.shared(wanted=False)
    assert frames is not None
    expected = frame_events(log.events, start=Position.end_of(0), end=live.end)
    assert (frames.data, frames.end, live.weight) == (expected.data, live.end, 0)


async def outcome_of(
    blocks: CommittedBlocks, hash_: bytes, commit: Callable[[], None]
) -> object:
    with blocks.watch(hash_) as watch:
        commit()
        return await watch.wait()


async def test_a_watch_reports_that_a_transaction_was_committed() -> None:
    log = MemoryLog()
    async with running(log) as (channel, blocks, _):
        commit = lambda: channel.advance(log.commit(2))  # noqa: E731

        assert await outcome_of(blocks, sha256(1, 1), commit) == event(1, 1)


async def test_a_watch_reports_that_a_transaction_was_refused() -> None:
    log = MemoryLog()
    async with running(log) as (channel, blocks, _):
        commit = lambda: channel.advance(log.commit(2, refused=[1]))  # noqa: E731

        assert await outcome_of(blocks, sha256(1, 1), commit) == refusal(1, 1)


async def test_a_watch_ends_with_the_channel() -> None:
    async with running(MemoryLog()) as (_, blocks, stop):
        with blocks.watch(b"a") as watch:
            stop.set()
            with pytest.raises(trio.EndOfChannel):
                await watch.wait()
