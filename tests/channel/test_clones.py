from __future__ import annotations

import random
from contextlib import suppress

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.channel.world import (
    BLOCKS,
    CREATES,
    END,
    START,
    TRANSFERS,
    Sink,
    World,
    drain,
    nothing_is_left,
)
from tests.memory_log import event
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.log.errors import LogDamaged
from trio_stream.stream.frames import Frames, frame_events
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN, Selection


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

    with trio.fail_after(60), pytest.raises(trio.EndOfChannel):
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


async def test_a_clone_stops_at_its_end_within_a_block() -> None:
    world = World()
    await world.commit(3)
    clone = CommitReceiveChannel(world.clones, START, until=Position(1, 1))

    data = (await clone.receive()).data
    with pytest.raises(trio.EndOfChannel):
        await clone.receive()

    wanted = [event(1, 0), event(1, 1)]
    assert data == frame_events(wanted, start=START, end=START).data


async def test_what_a_clone_has_had_is_known() -> None:
    world, sink = World(), Sink()
    clone = world.clone(send=sink.send_nowait)
    assert not clone.waiting
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        await world.commit(2)
        await world.commit(0)
        assert clone.waiting and clone.at_tip
        assert clone.last_message == END(1)
        assert clone.position == END(2)
        clone.close()
        clone.close()
    nothing_is_left(world)


async def test_a_position_ahead_is_reached_with_the_tail() -> None:
    world = World()
    clone = world.clone(END(2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clone.reached)
        for _ in range(2):
            await wait_all_tasks_blocked()
            assert nursery.child_tasks
            await world.commit()
    await clone.reached()
    assert clone.position == END(2)


@pytest.mark.parametrize(
    ("closes", "error"), [(True, trio.ClosedResourceError), (False, trio.EndOfChannel)]
)
async def test_a_position_ahead_may_never_be_reached(
    closes: bool, error: type[Exception]
) -> None:
    world = World()
    clone = world.clone(END(2))

    async def wait() -> None:
        with pytest.raises(error):
            await clone.reached()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        if closes:
            clone.close()
        else:
            world.clones.end()


async def test_a_log_that_lacks_what_was_committed_is_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(tail_bytes=1)
    for _ in range(3):
        await world.commit()

    async def nothing(request: PageRequest[Selection]) -> Frames:
        await trio.lowlevel.checkpoint()
        return Frames(request.after, request.after)

    monkeypatch.setattr(world.log, "frames", nothing)
    with pytest.raises(LogDamaged, match="block 3 was announced and nothing follows 0"):
        await world.clone().receive()


async def test_part_of_another_frame_may_be_owed_while_it_waits() -> None:
    world, sink, batches = World(), Sink(), list[bytes]()
    clone = world.clone(send=sink.send_nowait)
    clone.owe()  # nobody waits, so there is nobody to wake

    async def receive() -> None:
        batches.append(bytes((await clone.receive()).data))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        assert batches == []
        clone.owe()
    assert batches == [b""] and clone.position == START


async def test_a_clone_that_its_own_send_closes_is_left_alone() -> None:
    world = World()

    def send(frames: Frames, offset: int) -> int:
        clone.close()
        return 0

    clone = world.clone(send=send)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, clone, bytearray())
        await wait_all_tasks_blocked()
        await world.commit()
    assert clone.position == START
    nothing_is_left(world)


def test_what_owners_send_is_counted() -> None:
    world = World()
    clone, other = world.clone(), world.clone()
    clone.sent(3)
    other.sent(4)
    assert world.clones.sent_by_tasks == 7
