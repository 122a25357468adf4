"""Who waits for the next commit, and the pass that serves them."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.channel.world import (
    BLOCKS,
    CREATES,
    END,
    START,
    Sink,
    World,
    drain,
    nothing_is_left,
)
from trio_stream.channel import waiters
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.groups import SendNowait
from trio_stream.stream import composer, matching
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN, Form, Selection


async def test_waiting_is_standing_at_the_tails_end() -> None:
    world, sink = World(), Sink()
    clone = world.clone(send=sink.send_nowait)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        assert clone.waiting and clone.position == START

        await world.commit(2)

        assert clone.waiting and clone.position == END(1)
        clone.close()
    assert clone.position == END(1)
    assert not clone.waiting


async def test_a_clone_served_in_place_sleeps_on() -> None:
    world, sink, woken = World(), Sink(), bytearray()
    clone = world.clone(send=sink.send_nowait)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, woken)
        await wait_all_tasks_blocked()
        for _ in range(3):
            await world.commit(2)
        world.clones.end()

    assert sink.got == world.everything
    assert woken == b""


async def test_a_clone_that_waits_when_the_tail_begins_finds_its_place() -> None:
    world, got = World(), bytearray()
    for _ in range(3):
        world.log.commit()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, world.clone(START), got)
        nursery.start_soon(drain, world.clone(END(3)), bytearray())
        await wait_all_tasks_blocked()
        world.clones.begin(END(3))
        await wait_all_tasks_blocked()
        world.clones.end()

    assert got == world.everything
    assert world.log.replays == [START]


async def test_a_clone_may_go_in_the_middle_of_a_pass() -> None:
    world = World()
    clones: list[CommitReceiveChannel] = []
    got: dict[int, int] = {}

    def send(number: int) -> SendNowait:
        def send_nowait(frames: Frames, offset: int) -> None:
            for other in clones[number + 1 :: 2]:  # they cut the next ones off
                other.close()
            got[number] = got.get(number, 0) + 1

        return send_nowait

    async with trio.open_nursery() as nursery:
        for number in range(6):
            clones.append(world.clone(send=send(number)))
            nursery.start_soon(drain, clones[number], bytearray())
            await wait_all_tasks_blocked()
        await world.commit()
        await world.commit()
        world.clones.end()

    # The pass begins with the last one; each of those left is served once a block.
    assert set(got.values()) <= {1, 2}
    assert not any(clone.waiting for clone in clones)


@pytest.mark.usefixtures("resting_often")
@pytest.mark.parametrize("comes_back", [False, True])
async def test_all_of_a_group_may_leave_while_others_are_served(
    comes_back: bool,
) -> None:
    world, got = World(), [bytearray() for _ in range(2)]
    clones = [world.clone(selection=CREATES)]

    async def leave_when_woken() -> None:
        await world.clone().receive()
        clones[0].close()
        if comes_back:
            clones.append(world.clone(END(1), selection=CREATES))
            nursery.start_soon(drain, clones[1], got[1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clones[0], got[0])
        for _ in range(20):
            nursery.start_soon(drain, world.clone(), bytearray())
        nursery.start_soon(leave_when_woken)
        await wait_all_tasks_blocked()
        await world.commit(2)
        await world.commit(2)
        await wait_all_tasks_blocked()
        world.clones.end()

    clones[-1].close()
    assert got[0] == b""
    assert got[1].count(b"transaction_id") == comes_back
    nothing_is_left(world)


async def test_a_clone_that_its_own_send_closes_leaves_the_waiters() -> None:
    world = World()

    def send_nowait(frames: Frames, offset: int) -> int:
        clone.close()
        return offset

    clone = world.clone(send=send_nowait)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        await world.commit()
        await world.commit()

    assert not clone.waiting


async def test_a_pass_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiters, "_PASS_SECONDS", 0.0)
    world, sinks = World(), [Sink() for _ in range(100)]
    ran = 0

    async def count() -> None:
        nonlocal ran
        while not world.clones.ended:
            ran += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for sink in sinks:
            nursery.start_soon(drain, world.clone(send=sink.send_nowait), bytearray())
        await wait_all_tasks_blocked()
        nursery.start_soon(count)
        await world.commit()
        world.clones.end()

    assert ran >= 5
    assert all(sink.got == world.everything for sink in sinks)


async def test_looking_for_who_is_concerned_lets_others_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiters, "_PASS_SECONDS", 0.0)
    monkeypatch.setattr(matching, "_AT_ONCE", 9)
    world, ran = World(), 0
    clone = world.clone(selection=CREATES)

    async def count() -> None:
        nonlocal ran
        while world.clones.tail.end == START:
            ran += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        nursery.start_soon(count)
        await world.commit(100)
        clone.close()

    # Until the tail has the run, nobody is served: these were rests of the search.
    assert ran >= 5


async def test_while_a_pass_rests_everybody_has_a_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiters, "_PASS_SECONDS", 0.0)
    world, sinks = World(), [Sink() for _ in range(40)]
    clones = [world.clone(send=sink.send_nowait) for sink in sinks]
    seen: set[Position] = set()

    async def look() -> None:
        while not world.clones.ended:
            seen.update(clone.position for clone in clones)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for clone in clones:
            nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        nursery.start_soon(look)
        await world.commit()
        world.clones.end()

    assert seen == {START, END(1)}


async def test_all_are_woken_at_the_end_and_others_run_in_between() -> None:
    world, steps = World(), list[int]()
    async with trio.open_nursery() as nursery:
        for _ in range(120):
            nursery.start_soon(drain, world.clone(), bytearray())
        await wait_all_tasks_blocked()

        async def count() -> None:
            while waiting := world.clones.statistics().waiting:
                steps.append(waiting)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(count)
        await world.clones.end_gently()
    assert steps and max(steps) < 120
    assert world.clones.ended and world.clones.statistics().waiting == 0


async def test_who_waits_for_an_end_is_woken_there() -> None:
    world, got = World(), [bytearray() for _ in range(2)]
    async with trio.open_nursery() as nursery:
        for selection, each in zip((PLAIN, CREATES), got, strict=True):
            clone = CommitReceiveChannel(
                world.clones, START, selection=selection, until=END(2)
            )
            nursery.start_soon(drain, clone, each)
        nursery.start_soon(drain, world.clone(END(2)), bytearray())
        await wait_all_tasks_blocked()
        await world.commit(2)
        await wait_all_tasks_blocked()
        assert world.clones.statistics().waiting_for_an_end == 2
        await world.commit(0)
        await wait_all_tasks_blocked()
        assert world.clones.statistics().waiting_for_an_end == 0
        world.clones.end()
    assert got[0] == world.everything
    assert bytes(got[1]).count(b"height") == 1


@pytest.mark.usefixtures("resting_often")
async def test_what_is_long_is_read_from_the_log_and_the_rest_made_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than a run holds, as in earnest, but a tenth of it.
    monkeypatch.setattr(composer, "_LONG_ROWS", 800)
    world, blocks, whole = World(), bytearray(), bytearray()
    full = Selection(form=Form.FULL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, world.clone(selection=BLOCKS), blocks)
        nursery.start_soon(drain, world.clone(selection=full), whole)
        await wait_all_tasks_blocked()
        for events in (2, 850, 0):
            await world.commit(events)
            await wait_all_tasks_blocked()
        world.clones.end()
    everything = PageRequest(BLOCKS, START, END(3), 1 << 30, 1 << 30)
    assert blocks == (await world.log.frames(everything)).data
    assert world.log.replays[0].height == 2
    everything = everything._replace(selection=full)
    assert whole == (await world.log.frames(everything)).data


async def test_what_was_sent_in_passes_and_by_tasks() -> None:
    world, full, slow = World(), Sink(), Sink(room=10)
    clones = [world.clone(send=sink.send_nowait) for sink in (full, slow)]
    async with trio.open_nursery() as nursery:
        for clone in clones:
            nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        await world.commit()
        whole = len(world.everything)
        assert len(full.got) == whole > 10
        # Of a frame that is begun, the rest is kept for its own task.
        assert world.clones.sent_in_passes == 2 * whole
        clones[1].sent(7)
        assert world.clones.sent_by_tasks == 7
        assert world.clones.times.distribution().up_to[-1] == 1
        world.clones.end()


async def test_who_is_most_behind() -> None:
    world = World()
    waiting, behind = world.clone(), world.clone()
    assert world.clones.most_behind() == 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, waiting, bytearray())
        await wait_all_tasks_blocked()
        for _ in range(3):
            await world.commit()
        await wait_all_tasks_blocked()
        assert world.clones.most_behind() == 3
        behind.close()
        assert world.clones.most_behind() == 0
        assert world.clones.readers == {waiting}
        world.clones.end()
