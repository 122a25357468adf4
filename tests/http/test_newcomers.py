"""The line in which new connections wait for their turn, and the kernel's queue before it."""

from __future__ import annotations

import logging
import struct
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.http_door import GET, HOLD, Door, opened
from trio_stream.http.newcomers import AT_ONCE, Backlog, Newcomers, Strangers
from trio_stream.http.places import FULL

FLOOD = "127.0.0.1"
HONEST = "127.0.1.1"


class Turns:
    """Turns that are given one by one."""

    def __init__(self) -> None:
        self.waiting = trio.lowlevel.ParkingLot()

    async def turn(self) -> None:
        await self.waiting.park()

    async def give(self, count: int = 1) -> None:
        """Give `count` turns, one after another."""
        for _ in range(count):
            await wait_all_tasks_blocked()
            self.waiting.unpark()
        await wait_all_tasks_blocked()

    def __len__(self) -> int:
        return len(self.waiting)


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of one connection."""
    ours, theirs = trio.socket.socketpair()
    return trio.SocketStream(ours), trio.SocketStream(theirs)


class Line:
    """Newcomers, each with a name and the other end of its connection."""

    def __init__(self, turns: Turns) -> None:
        self.newcomers = Newcomers(turns.turn)
        self.ends: dict[str, trio.SocketStream] = {}
        self.scopes: dict[str, trio.CancelScope] = {}
        self.begun: list[str] = []
        self.left: list[str] = []

    async def come(self, name: str, nursery: trio.Nursery, address: str) -> None:
        ours, self.ends[name] = pair()
        nursery.start_soon(self._wait, name, address, ours)
        await wait_all_tasks_blocked()

    async def __aenter__(self) -> Line:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(self, *_: object) -> None:
        for end in self.ends.values():
            await end.aclose()
        assert not self.newcomers.count()

    async def _wait(self, name: str, address: str, ours: trio.SocketStream) -> None:
        with trio.CancelScope() as self.scopes[name]:
            try:
                come = await self.newcomers.turn(address, ours)
            finally:
                ours.socket.close()
            (self.begun if come else self.left).append(name)
            return
        self.left.append(name)


async def test_an_address_delays_its_own_connections_alone() -> None:
    turns = Turns()
    async with Line(turns) as line, trio.open_nursery() as nursery:
        for number in range(5):
            await line.come(f"flood {number}", nursery, FLOOD)
        await line.come("honest", nursery, HONEST)
        assert len(turns) == 2
        await turns.give(2)
        assert line.begun == ["flood 0", "honest"]
        await turns.give(4)
        assert line.begun[2:] == [f"flood {number}" for number in range(1, 5)]


async def test_without_others_a_turn_is_all_that_is_waited_for() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        await trio.lowlevel.checkpoint()

    newcomers = Newcomers(turn)
    ours, theirs = pair()
    async with ours, theirs:
        for number in range(3):
            assert await newcomers.turn(FLOOD, ours)
            assert turns == number + 1
            assert not newcomers.count()


@pytest.mark.parametrize("name", ["first", "second", "third"])
@pytest.mark.parametrize("way", ["cancelled", "cancelled with its turn"])
async def test_one_that_is_cancelled_makes_room_for_the_next(
    name: str, way: str
) -> None:
    turns = Turns()
    async with Line(turns) as line, trio.open_nursery() as nursery:
        for each in ("first", "second", "third"):
            await line.come(each, nursery, FLOOD)
        if way == "cancelled with its turn" and name != "third":
            turns.waiting.unpark()
        line.scopes[name].cancel()
        await wait_all_tasks_blocked()
        await turns.give(3)
    assert sorted(line.begun + line.left) == ["first", "second", "third"]
    assert len(line.left) <= 1


async def test_one_that_closes_while_it_waits_is_freed_at_once() -> None:
    turns = Turns()
    async with Line(turns) as line, trio.open_nursery() as nursery:
        for name in ("first", "closes", "asks", "asks and closes", "last"):
            await line.come(name, nursery, FLOOD)
        await line.ends["asks"].send_all(b"G")
        await line.ends["asks and closes"].send_all(b"G")
        for name in ("closes", "asks and closes"):
            await line.ends[name].aclose()
        await wait_all_tasks_blocked()
        assert line.left == ["closes"]
        assert line.newcomers.count() == 4
        await turns.give(4)
        assert line.begun == ["first", "asks", "asks and closes", "last"]


async def test_the_kernels_queue_is_taken_several_at_a_time() -> None:
    listener = (await trio.open_tcp_listeners(0, host=FLOOD))[0]
    port = listener.socket.getsockname()[1]
    streams = [await trio.open_tcp_stream(FLOOD, port) for _ in range(AT_ONCE + 2)]
    backlog = Backlog(listener)
    with trio.fail_after(60):
        accepted = [await backlog.accept() for _ in range(AT_ONCE + 1)]
        # The last of them is there already, taken together with the one before.
        await backlog.aclose()
        for stream, theirs in zip(streams, accepted, strict=False):
            assert stream.socket.getsockname() == theirs.socket.getpeername()
            await theirs.send_all(b"x")
            assert await stream.receive_some() == b"x"
            await theirs.aclose()
        assert await streams[-1].receive_some() == b""
    for stream in streams:
        await stream.aclose()


async def _flood(door: Door, count: int) -> list[trio.SocketStream]:
    streams = [await door.connect(FLOOD) for _ in range(count)]
    await wait_all_tasks_blocked(0.01)
    return streams


async def test_somebody_else_is_served_while_an_address_brings_many() -> None:
    turns = Turns()
    async with opened(turn=turns.turn) as door:
        streams = await _flood(door, 50)
        assert len(turns) == 1
        said = []

        async def ask() -> None:
            said.append(await door.ask(GET, HONEST))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            while len(turns) < 2:
                await wait_all_tasks_blocked(0.01)
            await turns.give(2)
        assert said[0].startswith(b"HTTP/1.1 200")
        for stream in streams:
            await stream.aclose()


async def test_waiting_connections_count_against_the_limits() -> None:
    turns = Turns()
    limits = {"max_connections_per_address": 3}
    async with opened(turn=turns.turn, **limits) as door:
        streams = await _flood(door, 3)
        async with await door.connect(FLOOD) as stream:
            await stream.send_all(GET)
            while len(turns) < 2:
                await wait_all_tasks_blocked(0.01)
            # The first of the flood begins, and the one that is too many is told so.
            await turns.give(2)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 429")
        for stream in streams:
            await stream.aclose()


async def test_a_connection_that_closes_while_it_waits_frees_its_place() -> None:
    turns = Turns()
    limits = {"max_connections_per_address": 2}
    async with opened(turn=turns.turn, **limits) as door:
        streams = await _flood(door, 2)
        await streams[1].aclose()
        await wait_all_tasks_blocked(0.01)
        async with await door.connect(FLOOD) as stream:
            await stream.send_all(GET)
            await wait_all_tasks_blocked(0.01)
            await turns.give(2)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await streams[0].aclose()


async def test_the_wait_does_not_shorten_the_time_for_a_head(
    mock_clock: MockClock,
) -> None:
    turns = Turns()
    async with opened(turn=turns.turn, keep_alive=3, head_timeout=3) as door:
        streams = await _flood(door, 2)
        mock_clock.jump(10)
        await turns.give(2)
        for stream in streams:
            await stream.send_all(GET[:9])
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(2)
        for stream in streams:
            await stream.send_all(GET[9:])
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            await stream.aclose()


async def test_an_orderly_stop_does_not_wait_for_waiting_connections() -> None:
    turns = Turns()
    async with opened(turn=turns.turn, shutdown_timeout=60) as door:
        async with await door.connect(HONEST) as stream:
            await stream.send_all(HOLD)
            await wait_all_tasks_blocked(0.01)
            await turns.give()
            await door.held.wait()
            streams = await _flood(door, 3)
            await streams[2].send_all(GET)
            door.stop.set()
            with trio.fail_after(60):
                for each in streams:
                    with suppress(trio.BrokenResourceError):
                        assert await each.receive_some() == b""
                    await each.aclose()
                door.go.set()
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
                await door.ended.wait()


async def test_a_reset_while_waiting_leaves_the_door_as_it_was() -> None:
    turns = Turns()
    async with opened(turn=turns.turn) as door:
        streams = await _flood(door, 3)
        for stream in streams:
            option = (trio.socket.SOL_SOCKET, trio.socket.SO_LINGER)
            stream.socket.setsockopt(*option, struct.pack("ii", 1, 0))
            await stream.aclose()
        await wait_all_tasks_blocked(0.01)
        said: list[bytes] = []

        async def ask() -> None:
            said.append(await door.ask(GET, FLOOD))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            with trio.fail_after(60):
                while not said:
                    await turns.give()
        assert said[0].startswith(b"HTTP/1.1 200")


async def _turned_away(strangers: Strangers, ours: trio.SocketStream) -> None:
    async with ours:
        await strangers.turn_away(ours, lambda: ours, FLOOD, FULL)


async def test_only_a_limited_number_is_told_why_it_is_turned_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    strangers = Strangers(trio.lowlevel.checkpoint, 2)
    ends = []
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            ours, theirs = pair()
            ends.append(theirs)
            nursery.start_soon(_turned_away, strangers, ours)
            await wait_all_tasks_blocked()
        assert await ends[2].receive_some() == b""
        for end in ends[:2]:
            await end.send_all(GET)
            assert b"503" in await end.receive_some()
            await end.aclose()
        await ends[2].aclose()
    warned = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warned) == 1


async def test_one_that_asks_nothing_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    strangers = Strangers(trio.lowlevel.checkpoint, 1)
    ours, theirs = pair()
    async with theirs:
        began = trio.current_time()
        await _turned_away(strangers, ours)
        assert trio.current_time() - began == 2
        assert await theirs.receive_some() == b""


async def test_a_stranger_that_closes_while_it_waits_is_freed_at_once() -> None:
    turns = Turns()
    strangers = Strangers(turns.turn, 2)
    async with trio.open_nursery() as nursery:
        first, second = pair(), pair()
        for ours, _ in (first, second):
            nursery.start_soon(_turned_away, strangers, ours)
            await wait_all_tasks_blocked()
        await second[1].aclose()
        with trio.fail_after(60):
            await turns.give()
            await first[1].send_all(GET)
            assert b"503" in await first[1].receive_some()
        await first[1].aclose()
