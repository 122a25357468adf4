from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.history import accepted_of, commit_blocks
from tests.memory_log import START_HASH, MemoryLog, app_hash, event
from trio_stream.abci.messages import Time
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.log.errors import LogDamaged
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.stream.events import CommitEvent, CommittedBlock
from trio_stream.stream.frames import frame_events
from trio_stream.stream.position import GivenPosition, Position
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.resume import ResumeRefused
from trio_stream.stream.selection import PLAIN, Form, Selection
from trio_stream.transactions.candidate import CandidateCache

START = Position.end_of(0)


@asynccontextmanager
async def running(
    log: MemoryLog,
) -> AsyncIterator[tuple[CommitChannel[Selection], trio.Event]]:
    """A channel that follows the log, and the event that stops it."""
    channel, stop = CommitChannel(CommittedBlocks(log)), trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=stop))
        yield channel, stop
        stop.set()


async def now(channel: CommitChannel[Selection]) -> Position:
    """Where a stream begins that asks for no position."""
    return (await channel.begin(Asked(selection=PLAIN))).after


def framed(events: list[CommitEvent]) -> bytes:
    return frame_events(events, start=START, end=START).data


async def read(clone: CommitReceiveChannel[Selection], count: int) -> bytes:
    """The frames of the next so many events."""
    got = b""
    while got.count(b"transaction_id") < count:
        batch = await clone.receive()
        got += batch.data
    return got


async def test_blocks_reach_a_clone_in_order() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        clone = channel.clone(await now(channel))
        for events in (3, 0, 2, 1):
            channel.advance(log.commit(events))

        assert await read(clone, 6) == framed(log.events)


async def test_refused_transactions_are_no_events() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        clone = channel.clone(START)
        channel.advance(log.commit(2, refused=[0, 2]))

        assert await read(clone, 2) == framed([event(1, 1), event(1, 3)])


async def test_the_tip_is_a_level() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        clone = channel.clone(START)
        for _ in range(5):
            log.commit()
        channel.advance(5)
        channel.advance(3)
        channel.advance(5)

        assert await read(clone, 5) == framed(log.events)
        await wait_all_tasks_blocked()
        assert log.reads == [0]


async def test_the_newest_block_and_its_time() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        assert channel.newest == (0, Time(0, 0))
        log.commit()
        channel.advance(1)
        await wait_all_tasks_blocked()
        assert channel.newest == (1, log.blocks[-1].time)


async def test_blocks_behind_the_announced_one_are_read_too() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        clone = channel.clone(START)
        log.commit()
        log.commit()
        channel.advance(1)

        assert await read(clone, 2) == framed(log.events)
        channel.advance(2)
        await wait_all_tasks_blocked()
        assert log.reads == [0]


async def test_a_large_block_comes_in_runs_that_join_to_the_block() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        clone = channel.clone(START)
        channel.advance(log.commit(2_000))
        await wait_all_tasks_blocked()

        assert await read(clone, 2_000) == framed(log.events)
        assert clone.position == Position.end_of(1)


async def test_the_newest_blocks_are_in_the_tail_from_the_start() -> None:
    log = MemoryLog()
    for _ in range(100):
        log.commit()
    async with running(log) as (channel, _):
        clone = channel.clone(Position.end_of(60))

        assert await read(clone, 40) == framed(log.events[60:])
        assert log.replays == []


async def test_from_now_on_begins_at_the_end_of_the_log() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        log.commit()  # durable, not announced yet
        clone = channel.clone(await now(channel))
        channel.advance(1)
        channel.advance(log.commit())

        assert await read(clone, 1) == framed([event(2, 0)])


async def test_an_orderly_stop_reaches_the_tip_first() -> None:
    log = MemoryLog()
    async with running(log) as (channel, stop):
        clone = channel.clone(START)
        channel.advance(log.commit(3))
        stop.set()
        await channel.ended.wait()

        assert await read(clone, 3) == framed(log.events)
        with pytest.raises(trio.EndOfChannel):
            await clone.receive()


async def test_a_waiting_clone_learns_of_the_end() -> None:
    async with running(MemoryLog()) as (channel, stop):
        clone = channel.clone(START)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_expect_end, clone)
            await wait_all_tasks_blocked()
            stop.set()


async def _expect_end(clone: CommitReceiveChannel[Selection]) -> None:
    with pytest.raises(trio.EndOfChannel):
        await clone.receive()


async def test_cancellation_ends_the_clones_too() -> None:
    channel = CommitChannel(CommittedBlocks(MemoryLog()))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=trio.Event()))
        clone = channel.clone(START)
        nursery.cancel_scope.cancel()

    with pytest.raises(trio.EndOfChannel):
        await clone.receive()


async def test_a_log_without_what_was_announced_is_an_error() -> None:
    log = MemoryLog()
    channel = CommitChannel(CommittedBlocks(log))

    with pytest.RaisesGroup(LogDamaged, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=trio.Event()))
            log.blocks_after = _nothing  # type: ignore[method-assign]
            channel.advance(7)


async def _nothing(height: int, *, max_bytes: int) -> list[CommittedBlock]:
    await trio.lowlevel.checkpoint()
    return []


async def inline(
    function: Callable[[], object], *, limiter: trio.CapacityLimiter
) -> object:
    async with limiter:
        return function()


async def test_the_real_log_is_followed_and_replayed(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 6)
        cache = CandidateCache(1 << 20)
        reader = LogReader(log.path, cache, run_sync=inline)
        channel, stop = (
            CommitChannel(CommittedBlocks(reader), tail_bytes=1),
            trio.Event(),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=stop))
            early, late = channel.clone(START), channel.clone(await now(channel))
            commit_blocks(log, 7)
            channel.advance(13)

            everything = [d for h in range(1, 14) for d in accepted_of(h)]
            since = [d for h in range(7, 14) for d in accepted_of(h)]
            for clone, wanted in ((early, everything), (late, since)):
                texts = (await read(clone, len(wanted))).decode("latin-1")
                assert texts.count("transaction_id") == len(wanted)
                places = [texts.index(document["id"]) for document in wanted]
                assert places == sorted(places)
            stop.set()
        await reader.aclose()


async def test_turns_wait_while_undisturbed_work_is_done() -> None:
    done, order = threading.Event(), list[str]()

    def work() -> None:
        done.wait()
        order.append("worked")

    async def take() -> None:
        await channel.turn()
        order.append("turn")
        if len(order) == 1:
            done.set()

    async with running(MemoryLog()) as (channel, _):
        await channel.turn()
        async with trio.open_nursery() as nursery:
            limiter = trio.CapacityLimiter(1)
            nursery.start_soon(partial(channel.run_undisturbed, work, limiter=limiter))
            # They are rare then, but there are some.
            nursery.start_soon(take)

    assert order == ["turn", "worked"]


async def test_a_stream_begins_where_it_asks_to() -> None:
    log = MemoryLog()
    log.commit(2)
    channel = CommitChannel(CommittedBlocks(log))

    now = await channel.begin(Asked(selection=PLAIN))
    given = GivenPosition(Position(1, 0), None)
    behind = await channel.begin(Asked(selection=PLAIN, after=given))
    far = GivenPosition(Position.end_of(999), None)
    with pytest.raises(ResumeRefused, match="blocks ahead of this node") as caught:
        await channel.begin(Asked(selection=PLAIN, after=far))

    assert (now.after, behind.after) == (Position.end_of(1), Position(1, 0))
    assert caught.value.landmarks.tip == 1
    assert (await channel.refuse(BadRequest("no"))).landmarks.tip == 1


async def test_a_fingerprint_is_compared_once_the_log_has_reached_it() -> None:
    log = MemoryLog()
    channel = CommitChannel(CommittedBlocks(log))
    right = GivenPosition(Position.end_of(1), app_hash(1)[:8])
    wrong = GivenPosition(Position.end_of(1), "0" * 8)
    begun = [
        await channel.begin(Asked(selection=PLAIN, after=given))
        for given in (right, wrong)
    ]
    log.commit(1)

    await channel.prove(begun[0])
    with pytest.raises(ResumeRefused, match="does not belong to this node's chain"):
        await channel.prove(begun[1])


async def test_positions_are_written_with_what_stands_there() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        assert channel.end_text is None
        assert await channel.position_text(START) == f"0::{START_HASH[:8]}"
        clone = channel.clone(START)
        channel.advance(log.commit(2))
        await clone.receive()

        assert channel.height == 1 and channel.bytes_framed > 0
        end = f"1::{app_hash(1)[:8]}"
        assert (
            channel.end_text == await channel.position_text(Position.end_of(1)) == end
        )
        first = await channel.position_text(Position(1, 0))
        assert first == f"1:0:{event(1, 0).transaction_id[:8]}"
        assert await channel.position_text(Position(9, 9)) == "9:9"


async def test_contents_are_read_for_filters_that_look_inside() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        full = channel.clone(START, selection=Selection(form=Form.FULL))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(full.receive)
            await wait_all_tasks_blocked()
            channel.advance(log.commit(2))
    assert log.looked_into == [Position(1, 0), Position(1, 1)]


async def test_work_is_done_in_a_thread_at_a_turn() -> None:
    channel, limiter = CommitChannel(
        CommittedBlocks(MemoryLog())
    ), trio.CapacityLimiter(1)

    thread = await channel.run_in_turn(threading.get_ident, limiter=limiter)

    assert thread != threading.get_ident()
    assert not limiter.borrowed_tokens


async def test_what_the_channel_does_is_counted() -> None:
    log = MemoryLog()
    async with running(log) as (channel, _):
        clone = channel.clone(await now(channel), selection=PLAIN)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, clone, 3)
            await wait_all_tasks_blocked()
            channel.advance(log.commit(3))
        counted = channel.statistics()
    assert (counted.passed.blocks, counted.passed.events) == (1, 3)
    assert counted.clones.clones == 1 and counted.clones.tail_bytes > 0
    assert (counted.most_behind, counted.turns_waiting) == (0, 0)
    assert counted.times.distribution().up_to[-1] == 1
