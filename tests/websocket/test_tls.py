"""The WebSocket door over wss://: nothing is written in place, and nothing else differs."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.tls_contexts import Contexts
from tests.websocket_door import open_door
from tests.websocket_peer import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Peer,
    comes_true,
    frame,
    request,
)
from trio_stream.websocket.limits import WebSocketLimits


async def test_events_arrive_in_order(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        peers = [await door.subscribe() for _ in range(3)]
        for events in (1, 0, 1_000, 3):
            door.commit(events)

        for peer in peers:
            assert await peer.texts(1_004) == door.texts()


async def test_a_block_larger_than_all_buffers_arrives(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1], tail_bytes=1) as door:
        peer = await door.subscribe(receive_buffer=4096)
        door.commit(3_000)
        await wait_all_tasks_blocked()
        door.commit(3_000)
        await peer.send(frame(PING, b"x"))

        texts: list[object] = []
        pongs = 0
        while len(texts) < 6_000 or not pongs:
            opcode, payload = await peer.next()
            if opcode == PONG:
                pongs += 1
            else:
                texts.append(payload)
        assert texts == door.texts()


async def test_pings_go_both_ways(contexts: Contexts, patient_clock: MockClock) -> None:
    limits = WebSocketLimits(ping_interval=5, pong_timeout=3)
    async with open_door(
        tls=contexts[0], client_tls=contexts[1], limits=limits
    ) as door:
        peer = await door.subscribe()
        assert await peer.next() == (PING, b"")
        await peer.send(frame(PONG) + frame(PING, b"you"))
        assert await peer.next() == (PONG, b"you")
        assert await peer.next() == (PING, b"")

        assert await peer.next() == (CLOSE, (1011, ""))


async def test_closing_is_answered(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        peer = await door.subscribe()
        await peer.send(frame(CLOSE, b"\x0b\xb8"))

        assert await peer.read_all() == b"\x88\x02\x03\xe8"


async def test_bad_input_is_closed_with_its_code(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        peer = await door.subscribe()
        await peer.send(frame(TEXT, b"\xff"))

        assert (await peer.next()) == (CLOSE, (1007, ""))


async def test_shutting_down_says_goodbye(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        peer = await door.subscribe()
        door.commit(5)
        door.shut_down()

        assert await peer.texts(5) == door.texts()
        assert await peer.next() == (CLOSE, (1001, ""))


async def test_a_stalled_client_is_cut(
    contexts: Contexts, patient_clock: MockClock
) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        stalled = await door.subscribe(receive_buffer=4096)
        door.commit(5_000)
        await trio.sleep(59)
        assert not stalled.is_cut()
        # The kernel may find room for some bytes more, which is progress.
        assert await comes_true(stalled.is_cut, seconds=300)


async def test_who_does_not_speak_tls_is_let_go(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        plain = await Peer.connect(door.port)
        door.peers.append(plain)
        await plain.send(request())
        with pytest.raises((trio.BrokenResourceError, trio.EndOfChannel)):
            while True:
                await plain.read_some()
                raise trio.EndOfChannel

        peer = await door.subscribe()
        door.commit()
        assert await peer.texts(1) == door.texts()


async def test_who_breaks_off_costs_nobody_else_anything(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        healthy = await door.subscribe()
        for number in range(20):
            peer = await door.subscribe()
            if number % 2:
                await peer.send(frame(CLOSE) + frame(PING))
            peer.reset()
            door.commit(2)

        assert await healthy.texts(40) == door.texts()
