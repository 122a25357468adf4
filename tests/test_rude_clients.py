"""Clients that misbehave on real sockets, and what it costs the others: nothing.

Each kind of rudeness is committed by many at once, while blocks go out. Afterwards every healthy
client has every event, and the door still answers.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.garbage import without_an_untraced_ring
from tests.websocket_door import Door, open_door
from tests.websocket_peer import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Peer,
    comes_true,
    frame,
    garbage,
    request,
)
from trio_stream.websocket.limits import WebSocketLimits
from trio_stream.websocket.subscriber_stream import SubscriberStream

# As the server frames its answer.
_ARE_YOU_THERE = b"\x8a\x0dare you there"

# Many clients may take a slow machine longer than a client gets for its answer to a ping.
PATIENT = WebSocketLimits(
    ping_interval=3600, pong_timeout=3600, stall_timeout=3600, handshake_timeout=3600
)

Rudeness = Callable[[Door], Awaitable[None]]


async def garbage_then_reset(door: Door) -> None:
    peer = await door.connect()
    await peer.send(garbage())
    peer.reset()


async def plain_get_then_reset(door: Door) -> None:
    peer = await door.connect()
    await peer.send(request(headers={"Host": "localhost"}))
    peer.reset()


async def upgrade_then_reset(door: Door) -> None:
    peer = await door.connect()
    await peer.send(request())
    peer.reset()


async def upgraded_garbage_then_reset(door: Door) -> None:
    peer = await door.subscribe()
    await peer.send(garbage())
    peer.reset()


async def ping_after_close(door: Door) -> None:
    peer = await door.subscribe()
    await peer.send(frame(CLOSE, b"\x03\xe8") + frame(PING, b"still here"))
    await peer.next()
    with pytest.raises((trio.BrokenResourceError, trio.EndOfChannel)):
        while True:
            await peer.send(frame(PING, b"and here"))
            await peer.next()


async def half_a_frame_then_silence(door: Door) -> None:
    peer = await door.subscribe()
    await peer.send(frame(TEXT, b"x" * 100)[:50])


async def half_a_request_then_silence(door: Door) -> None:
    peer = await door.connect()
    await peer.send(request()[:50])


async def plain_get(door: Door) -> None:
    peer = await door.connect()
    await peer.send(request(headers={"Host": "localhost"}))
    assert (await peer.read_head())[9:12] in (b"426", b"404")


async def test_refusals_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with open_door() as door:
        for _ in range(100):
            await plain_get(door)
    refused = [r for r in caplog.records if "refused with status" in r.getMessage()]
    assert len([r for r in refused if r.levelno >= logging.INFO]) == 60


async def close_without_close(door: Door) -> None:
    peer = await door.subscribe()
    await peer.stream.aclose()


async def never_read(door: Door) -> None:
    await door.subscribe(receive_buffer=4096)


async def reset_under_way(door: Door) -> None:
    peer = await door.subscribe()
    # No checkpoint between: the pass that brings this block finds the connection gone.
    peer.reset()
    door.commit(20)


async def ping_while_a_frame_is_half_out(door: Door) -> None:
    peer = await door.subscribe(receive_buffer=4096)
    door.commit(400)  # more than the sockets on both sides take
    await trio.lowlevel.checkpoint()
    await peer.send(frame(PING, b"are you there"))
    seen = b""
    while _ARE_YOU_THERE not in seen:
        seen = seen[-20:] + bytes(await peer.stream.receive_some(1 << 20))


RUDE: list[Rudeness] = [
    garbage_then_reset,
    plain_get_then_reset,
    upgrade_then_reset,
    upgraded_garbage_then_reset,
    ping_after_close,
    half_a_frame_then_silence,
    half_a_request_then_silence,
    plain_get,
    close_without_close,
    never_read,
    reset_under_way,
    ping_while_a_frame_is_half_out,
]


async def read_on(door: Door, peer: Peer) -> None:
    """A healthy client: reads until it has everything."""
    got: list[str] = []
    while not got or not door.stop.is_set() or len(got) < len(door.log.events):
        got += await peer.texts(1)
    assert got == door.texts()
    await peer.send(frame(CLOSE))


async def misbehave(rude: Rudeness, count: int, *, by_http: bool = False) -> None:
    async with (
        open_door(by_http=by_http, limits=PATIENT) as door,
        trio.open_nursery() as healthy,
    ):
        for _ in range(3):
            healthy.start_soon(read_on, door, await door.subscribe())
        async with trio.open_nursery() as others:
            for _ in range(count):
                others.start_soon(rude, door)
                await trio.lowlevel.checkpoint()
                door.commit(3)
        door.commit(100)
        late = await door.subscribe()
        door.stop.set()
        door.commit(1)
        assert await late.texts(1) == door.texts(after=door.log.height - 1)
        assert b" 101 " in late.head


@pytest.mark.parametrize("by_http", [False, True], ids=["own port", "HTTP's port"])
@pytest.mark.parametrize("rude", RUDE, ids=lambda rude: rude.__name__)
async def test_rudeness_costs_nobody_else_anything(
    rude: Rudeness, by_http: bool, caplog: pytest.LogCaptureFixture
) -> None:
    await misbehave(rude, 20, by_http=by_http)

    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.slow
@pytest.mark.parametrize("rude", RUDE, ids=lambda rude: rude.__name__)
async def test_much_rudeness_costs_nobody_else_anything(
    rude: Rudeness, caplog: pytest.LogCaptureFixture
) -> None:
    await misbehave(rude, 200)

    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def close(peer: Peer) -> None:
    await peer.send(frame(CLOSE, b"\x03\xe8"))
    await peer.next()


async def break_the_protocol(peer: Peer) -> None:
    await peer.send(frame(TEXT, b"\xff"))
    await peer.next()


async def break_off(peer: Peer) -> None:
    await trio.lowlevel.checkpoint()


@without_an_untraced_ring
@pytest.mark.parametrize("by_http", [False, True], ids=["own port", "HTTP's port"])
@pytest.mark.parametrize("end", [close, break_the_protocol, break_off])
async def test_a_client_that_has_gone_leaves_nothing_to_collect(
    end: Callable[[Peer], Awaitable[None]], by_http: bool
) -> None:
    """A full collection with ten thousand clients present takes most of a second."""
    async with open_door(by_http=by_http) as door:
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                peer = await door.subscribe()
                await end(peer)
                peer.reset()
                await wait_all_tasks_blocked(0.001)
            streams = [o for o in gc.get_objects() if isinstance(o, SubscriberStream)]
            assert not streams
        finally:
            gc.enable()


async def test_a_ping_in_the_middle_of_a_frame_is_answered_after_it() -> None:
    async with open_door() as door:
        peer = await door.subscribe(receive_buffer=4096)
        door.commit(2_000)
        await wait_all_tasks_blocked()
        await peer.send(frame(PING, b"1"))
        await wait_all_tasks_blocked()
        door.commit(1)

        texts: list[object] = []
        pongs: list[object] = []
        while len(texts) < 2_001 or not pongs:
            opcode, payload = await peer.next()
            (pongs if opcode == PONG else texts).append(payload)
        assert texts == door.texts()
        assert pongs == [b"1"]


async def test_a_stalled_client_is_cut_after_its_time(
    patient_clock: MockClock,
) -> None:
    async with open_door(limits=WebSocketLimits(ping_interval=1000)) as door:
        stalled = await door.subscribe(receive_buffer=4096)
        door.commit(5_000)

        await trio.sleep(59.9)
        assert not stalled.is_cut()
        # The kernel may find room for some bytes more, which is progress.
        assert await comes_true(stalled.is_cut, seconds=300)


@pytest.mark.slow
async def test_a_slow_client_that_is_alive_gets_everything(
    patient_clock: MockClock,
) -> None:
    limits = WebSocketLimits(ping_interval=8, pong_timeout=8, stall_timeout=20)
    async with open_door(limits=limits, tail_bytes=1) as door:
        peer = await door.subscribe(receive_buffer=16384)
        for _ in range(5):
            door.commit(500)
        got: list[str] = []
        while len(got) < 2_500:
            await trio.sleep(3)
            await peer.read_some(30_000)  # 10 KB/s
            for opcode, payload in peer.take():
                if opcode == PING:
                    await peer.send(frame(PONG))
                else:
                    got.append(str(payload))

        assert got == door.texts()
        assert trio.current_time() > 20


async def test_a_stalled_client_pins_no_shared_bytes() -> None:
    async with open_door(tail_bytes=1) as door:
        await door.subscribe(receive_buffer=4096)
        for _ in range(20):
            door.commit(2_000)
            await wait_all_tasks_blocked()

        # Pages are let go while nobody can take them; the tail holds one block.
        assert door.channel.statistics().clones.tail_bytes < 2 * 2_000 * 250
