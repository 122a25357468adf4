from __future__ import annotations

import random
from contextlib import suppress

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.memory_log import MemoryLog, event
from trio_stream.channel import waiters
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.waiters import Clones, SendNowait
from trio_stream.stream.frames import Frames, frame_events
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.runs import cut
from trio_stream.stream.selection import PLAIN, Filters, Form, Selection, Stream

END = Position.end_of
START = END(0)


class World:
    """Clones of a channel whose blocks a test commits itself."""

    def __init__(self, *, tail_bytes: int = 1 << 20) -> None:
        self.log = MemoryLog()
        self.clones = Clones(self.log, tail_bytes=tail_bytes)

    async def commit(self, events: int = 1) -> None:
        self.log.commit(events)
        for run in cut(self.log.blocks[-1:], after=self.clones.tail.end):
            wanted = self.clones.wanted(run)
            contents = await self.log.contents(wanted, max_bytes=1 << 20)
            await self.clones.publish(run, contents)

    def clone(
        self,
        after: Position = START,
        send: SendNowait | None = None,
        selection: Selection = PLAIN,
    ) -> CommitReceiveChannel:
        return CommitReceiveChannel(self.clones, after, send, selection=selection)

    @property
    def everything(self) -> bytes:
        return frame_events(self.log.events, start=START, end=START).data


class Sink:
    """Takes so many bytes of what is sent in place."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.got = b""

    def send_nowait(self, frames: Frames, offset: int) -> int | None:
        wanted = len(frames.data) - offset
        size = min(self.room, wanted)
        self.room -= size
        end = frames.frame_end(offset + size)
        self.got += frames.data[offset:end]  # the rest of a frame counts as owed
        return None if size == wanted else end


async def drain(clone: CommitReceiveChannel, got: bytearray) -> None:
    try:
        while True:
            got += (await clone.receive()).data
    except (trio.EndOfChannel, trio.ClosedResourceError):
        pass


async def test_each_clone_gets_every_event() -> None:
    world, one, other = World(), bytearray(), bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, world.clone(), one)
        nursery.start_soon(drain, world.clone(), other)
        for events in (1, 3, 0, 2):
            await world.commit(events)
            await wait_all_tasks_blocked()
        world.clones.end()

    assert one == other == world.everything


async def test_a_clone_of_a_clone_goes_on_from_the_same_place() -> None:
    world = World()
    await world.commit()
    first = world.clone()
    await first.receive()

    second = first.clone()
    await world.commit()

    assert (await second.receive()).data == (await first.receive()).data


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


async def test_what_a_full_socket_did_not_take_is_received() -> None:
    world, woken = World(), bytearray()
    one = len(frame_events([event(1, 0)], start=START, end=START).data)
    sink = Sink(room=one + 1)
    clone = world.clone(send=sink.send_nowait)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, woken)
        await wait_all_tasks_blocked()
        await world.commit(3)
        await wait_all_tasks_blocked()
        world.clones.end()

    assert len(sink.got) == 2 * one  # the second one is owed in part
    assert sink.got + woken == world.everything


async def test_an_empty_batch_says_that_bytes_are_owed() -> None:
    world, sink = World(), Sink(room=1)
    clone = world.clone(send=sink.send_nowait)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def owe() -> None:
            batch = await clone.receive()
            assert batch.data == b""

        await wait_all_tasks_blocked()
        await world.commit(1)

    assert clone.position == END(1)
    assert sink.got == world.everything


async def test_a_cancelled_receive_loses_nothing() -> None:
    world, sink = World(), Sink()
    clone = world.clone(send=sink.send_nowait)
    with trio.move_on_after(0):
        await clone.receive()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clone.receive)
        await wait_all_tasks_blocked()
        await world.commit()
        nursery.cancel_scope.cancel()
    await world.commit()

    assert sink.got + (await clone.receive()).data == world.everything


async def test_only_one_task_may_receive() -> None:
    world = World()
    clone = world.clone()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await clone.receive()
        await clone.aclose()


async def test_a_closed_clone_receives_nothing() -> None:
    world = World()
    await world.commit()
    async with world.clone() as clone:
        pass

    with pytest.raises(trio.ClosedResourceError):
        await clone.receive()


@pytest.mark.parametrize("after", [Position(2, 1), END(2)])
async def test_a_clone_that_has_all_up_to_its_end_is_told_so(after: Position) -> None:
    world = World()
    for _ in range(2):
        await world.commit(2)
    clone = CommitReceiveChannel(world.clones, after, until=END(2))

    with trio.fail_after(5), pytest.raises(trio.EndOfChannel):
        await clone.receive()

    assert clone.finished


async def test_a_clone_ahead_of_the_tail_waits_until_it_is_reached() -> None:
    world, got = World(), bytearray()
    clone = world.clone(END(2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, got)
        await wait_all_tasks_blocked()
        assert clone.position == END(2)
        for _ in range(4):
            await world.commit()
        await wait_all_tasks_blocked()
        world.clones.end()

    events = [event(3, 0), event(4, 0)]
    assert got == frame_events(events, start=START, end=START).data


async def test_a_clone_ahead_in_the_middle_of_a_block_gets_the_rest_of_it() -> None:
    world, got = World(), bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, world.clone(Position(1, 1)), got)
        await wait_all_tasks_blocked()
        await world.commit(3)
        await wait_all_tasks_blocked()
        world.clones.end()

    assert got == frame_events([event(1, 2)], start=START, end=START).data


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


async def test_who_is_behind_the_tail_reads_the_log_and_then_the_tail() -> None:
    world, got = World(tail_bytes=1), bytearray()
    for _ in range(4):
        await world.commit(3)
    clone = world.clone()
    assert clone.behind
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, got)
        await wait_all_tasks_blocked()
        assert not clone.behind
        await world.commit(2)
        await wait_all_tasks_blocked()
        world.clones.end()

    assert got == world.everything
    assert world.log.replays == [START]


async def test_a_page_is_used_up_before_another_is_read() -> None:
    world = World(tail_bytes=1)
    for _ in range(4):
        await world.commit(3)
    clone, got = world.clone(), b""
    while len(got) < len(world.everything):
        piece, position = (await clone.receive()).take(1)
        clone.seek(position)
        got += piece

    assert got == world.everything
    assert world.log.replays == [START]


async def test_who_replays_stops_at_once_when_the_channel_ends() -> None:
    world = World(tail_bytes=1)
    for _ in range(4):
        await world.commit(3)
    clone = world.clone()
    piece, position = (await clone.receive()).take(1)
    clone.seek(position)

    world.clones.end()

    with pytest.raises(trio.EndOfChannel):
        await clone.receive()


async def test_pages_are_freed_when_the_last_one_stops_replaying() -> None:
    world = World(tail_bytes=1)
    for _ in range(4):
        await world.commit(3)
    one, other = world.clone(), world.clone()
    await one.receive()
    await other.receive()
    assert world.clones.pages.statistics().bytes

    one.close()
    assert world.clones.pages.statistics().bytes
    await world.commit()
    await other.receive()  # from the tail

    assert not world.clones.pages.statistics().bytes


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


def nothing_is_left(world: World) -> None:
    """Nothing is kept of the clones that are closed, and none waits any more."""
    left = world.clones.statistics()
    assert (left.selections, left.waiting, left.waiting_for_an_end) == (0, 0, 0)
    assert not any(world.clones.pages.statistics())


CREATES = Selection(filters=Filters(operation=["CREATE"]))
TRANSFERS = Selection(form=Form.FULL, filters=Filters(operation=["TRANSFER"]))
BLOCKS = Selection(Stream.VALID_BLOCKS, empty_blocks=True)


@pytest.fixture
def resting_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes that let all other tasks run after each waiter."""
    monkeypatch.setattr(waiters, "_PASS_SECONDS", -1.0)
    monkeypatch.setattr(waiters, "_LOOK_EVERY", 1)


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


@pytest.mark.usefixtures("resting_often")
@pytest.mark.parametrize("seed", range(10))
async def test_whatever_happens_each_gets_every_event_once(seed: int) -> None:
    """Sockets of random room, random pieces, a small tail, and waits cut short; subscribers
    who come, move and go while a pass is under way.
    """
    chance = random.Random(seed)
    world = World(tail_bytes=chance.choice([1, 5_000, 1 << 20]))

    async def subscribe(selection: Selection, sink: Sink | None) -> None:
        start = world.clones.tail.end
        send = sink.send_nowait if sink else None
        sink, stays = sink or Sink(0), chance.choice([3, 20, 10_000])
        with world.clone(start, send, selection) as clone:
            with suppress(trio.EndOfChannel):
                for _ in range(stays):
                    sink.room = chance.choice([0, 100, 500, 5_000])
                    for _ in range(chance.randrange(3)):
                        await trio.lowlevel.checkpoint()
                    with trio.move_on_after(chance.choice([0, 1000])):
                        batch = await clone.receive()
                        piece, position = batch.take(chance.choice([1, 300, 100_000]))
                        clone.seek(position)
                        sink.got += piece
            clone.pass_nothing()
            assert stays < 10_000 or clone.behind or clone.at_tip
        end = clone.position
        everything = PageRequest(selection, start, end, 1 << 30, 1 << 30)
        page = await world.log.frames(everything)
        assert page.data == sink.got

    async with trio.open_nursery() as nursery:
        for _ in range(60):
            if chance.random() < 0.6:
                selection = chance.choice([PLAIN, PLAIN, CREATES, TRANSFERS, BLOCKS])
                sink = chance.choice([None, Sink()])
                nursery.start_soon(subscribe, selection, sink)
            if chance.random() < 0.8:
                await world.commit(chance.randrange(6))
            for _ in range(chance.randrange(4)):
                await trio.lowlevel.checkpoint()
        world.clones.end()

    nothing_is_left(world)
