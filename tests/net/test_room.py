"""Room for bytes in progress: who gets it, who waits, and that none is lost."""

from __future__ import annotations

import math
import random

import pytest
import trio
from trio.testing import MockClock

from tests.http_door import LARGE, everything, opened
from trio_stream.net.room import PATIENCE, Room


def nobody(count: int) -> float:
    return math.inf


async def test_first_come_first_served(autojump_clock: MockClock) -> None:
    room = Room(800, nobody)
    served: list[int] = []

    async def ask(number: int, count: int) -> None:
        assert await room.take(count, small=False)
        served.append(number)

    assert await room.take(700, small=False)
    async with trio.open_nursery() as nursery:
        for number, count in enumerate([600, 10, 90]):
            nursery.start_soon(ask, number, count)
            await trio.sleep(1)
        assert served == []
        room.give_back(600)
        await trio.sleep(1)
        assert served == [0]
        room.give_back(100)
        await trio.sleep(1)
        assert sorted(served) == [0, 1, 2]
    assert room.taken == 700


async def test_the_last_eighth_is_reserved_for_small_requests(
    autojump_clock: MockClock,
) -> None:
    room = Room(800, nobody)
    assert await room.take(700, small=False)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def large() -> None:
            assert not await room.take(1, small=False)
            assert trio.current_time() == began + PATIENCE

        await trio.sleep(1)
        assert await room.take(100, small=True)
        assert not await room.take(1, small=True)
    assert room.taken == 800


async def test_a_connection_gives_way_when_it_is_due(autojump_clock: MockClock) -> None:
    began = trio.current_time()

    def make_way(count: int) -> float:
        assert count == 5
        if trio.current_time() >= began + 3:
            room.give_back(10)
            return math.inf
        return began + 3

    room = Room(10, make_way)
    assert await room.take(10, small=True)
    assert await room.take(5, small=True)
    assert trio.current_time() == began + 3
    assert room.taken == 5


@pytest.mark.parametrize("seed", range(20))
async def test_at_rest_all_of_it_is_free(seed: int, autojump_clock: MockClock) -> None:
    """Cancelling a wait for room, also in the step in which it was granted."""
    chance = random.Random(seed)
    room = Room(100, lambda count: trio.current_time() + 1)

    async def use() -> None:
        await trio.sleep(chance.randrange(10))
        with trio.move_on_after(chance.randrange(4)):
            count = chance.randrange(1, 60)
            if await room.take(count, small=bool(chance.randrange(2))):
                try:
                    assert room.taken <= 100
                    await trio.sleep(chance.randrange(4))
                finally:
                    room.give_back(count)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(use)
    assert room.taken == 0
    assert room.waiting == 0


POST = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
MIB = 1024 * 1024


@pytest.mark.parametrize("path", [b"/", b"/front"])
async def test_unfinished_bodies_have_a_bound_and_give_way(
    path: bytes, patient_clock: MockClock
) -> None:
    limits = {"bytes_under_way": 8 * MIB, "max_body_bytes": 2 * MIB}
    async with opened(**limits) as door:
        streams = [await door.connect() for _ in range(10)]
        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(_begin, stream, POST % (path, 2 * MIB))
            await trio.sleep(4)
            # There is room for what is small, and soon for what is large.
            body = b"z" * 20_000
            assert b"<20000>" in await door.ask(_closing(path, body))
            body = b"z" * 2 * MIB
            assert b"<%d>" % len(body) in await door.ask(_closing(path, body))
            nursery.cancel_scope.cancel()
        told = [await _rest(stream) for stream in streams]
    assert any(said.startswith(b"HTTP/1.1 503 ") for said in told)


async def _begin(stream: trio.SocketStream, head: bytes) -> None:
    try:
        await stream.send_all(head + b"z" * (2 * MIB - 5))
    except trio.BrokenResourceError:
        pass


async def _rest(stream: trio.SocketStream) -> bytes:
    async with stream:
        try:
            return await everything(stream)
        except trio.BrokenResourceError:
            return b""


def _closing(path: bytes, body: bytes) -> bytes:
    head = POST % (path, len(body))
    if path == b"/front":
        # Which closes by itself; plain requests keep their connection.
        return head + body + b"GET / HTTP/1.0\r\n\r\n"
    return head.replace(b"Host: a", b"Host: a\r\nConnection: close") + body


# Behind hypercorn an answer is there twice.
@pytest.mark.parametrize(("path", "room"), [(b"/large", 6), (b"/front/large", 3)])
async def test_unread_answers_have_a_bound_and_give_way(
    path: bytes, room: int, patient_clock: MockClock
) -> None:
    get = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path
    async with opened(bytes_under_way=room * LARGE) as door:
        streams = [await door.connect() for _ in range(2)]
        for stream in streams:
            await stream.send_all(get)
        await trio.sleep(1)
        async with await door.connect() as stream:
            await stream.send_all(get)
            assert b" 503 " in await stream.receive_some()
        await trio.sleep(5)
        async with await door.connect() as stream:
            await stream.send_all(get)
            assert b" 503 " in await stream.receive_some()
        async with await door.connect() as stream:
            await stream.send_all(get + b"GET /a HTTP/1.0\r\n\r\n")
            said = await everything(stream)
        # They have been there for long enough to give way.
        assert said.startswith(b"HTTP/1.1 200 OK") and said.endswith(b"<0>")
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize("path", [b"/large", b"/front/large"])
async def test_an_answer_without_room_is_503(
    path: bytes, patient_clock: MockClock
) -> None:
    get = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path
    async with opened(bytes_under_way=LARGE) as door:
        async with await door.connect() as stream:
            await stream.send_all(get)
            said = await stream.receive_some()
    assert said.startswith(b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n")
    assert b"\r\nretry-after: 5\r\n" in said


async def test_large_requests_await_turns_for_more_one_at_a_time() -> None:
    asking = most = turns = 0

    async def turn() -> None:
        nonlocal asking, most, turns
        asking, turns = asking + 1, turns + 1
        most = max(most, asking)
        await trio.lowlevel.checkpoint()
        asking -= 1

    room = Room(800, nobody, turn)

    async def ask(small: bool) -> None:
        assert await room.take(1, small=small)

    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(ask, False)
            nursery.start_soon(ask, True)
    assert (turns, most, room.taken) == (9, 1, 18)
