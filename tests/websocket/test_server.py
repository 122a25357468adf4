from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio
import trio_websocket
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.websocket_door import open_door
from tests.websocket_peer import BINARY, CLOSE, PATH, PING, PONG, TEXT, frame
from trio_stream.log.errors import LogDamaged
from trio_stream.stream.inbound import MESSAGE_LIMIT
from trio_stream.stream.request import Asked
from trio_stream.stream.resume import Beginning
from trio_stream.websocket import gate
from trio_stream.websocket.limits import WebSocketLimits


async def test_every_client_gets_every_event_in_order() -> None:
    async with open_door() as door:
        peers = [await door.subscribe() for _ in range(5)]
        for events in (1, 0, 100, 3):
            door.commit(events)

        for peer in peers:
            assert await peer.texts(104) == door.texts()


async def test_a_message_is_bigchaindbs_byte_for_byte() -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        door.commit()
        event = door.log.events[0]

        assert await peer.texts(1) == [
            f'{{"height": 1, "asset_id": "{event.asset_id}",'
            f' "transaction_id": "{event.transaction_id}"}}'
        ]


async def test_a_client_gets_what_is_committed_after_it_came() -> None:
    async with open_door() as door:
        door.commit(3)
        peer = await door.subscribe()
        door.commit(2)

        assert await peer.texts(2) == door.texts(after=1)


async def test_a_durable_block_that_is_announced_later_is_not_new() -> None:
    async with open_door() as door:
        door.log.commit()
        peer = await door.subscribe()
        door.channel.advance(1)
        door.commit()

        assert await peer.texts(1) == door.texts(after=1)


async def test_the_library_on_the_other_side_is_content() -> None:
    async with open_door() as door:
        url = f"ws://127.0.0.1:{door.port}{PATH}?x=1"
        async with trio_websocket.open_websocket_url(url) as client:
            await client.send_message("hello")
            await client.ping()
            door.commit(2)

            assert [await client.get_message() for _ in range(2)] == door.texts()


async def test_messages_are_read_and_dropped_and_pings_answered_all_the_while() -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        for number in range(50):
            await peer.send(frame(TEXT, b"hello") + frame(BINARY, b"\xff" * 5_000))
            await peer.send(frame(PING, b"%d" % number))
            assert await peer.next() == (PONG, b"%d" % number)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8x"])
async def test_close_is_answered_with_1000_and_no_reason(payload: bytes) -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        await peer.send(frame(CLOSE, payload))

        assert await peer.read_all() == b"\x88\x02\x03\xe8"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(3), 1002),
        (frame(TEXT | 0x40), 1002),
        (frame(0), 1002),
        (frame(PING, fin=False), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (frame(BINARY, bytes(MESSAGE_LIMIT)), 1009),
        (frame(TEXT, b"x" * MESSAGE_LIMIT), 1009),
    ],
)
async def test_bad_input_is_closed_with_its_code(data: bytes, code: int) -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        await peer.send(data)

        assert await peer.read_all() == b"\x88\x02" + code.to_bytes(2, "big")


async def test_a_frame_without_a_mask_is_tolerated() -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        await peer.send(b"\x81\x02hi" + b"\x89\x01p")

        assert await peer.next() == (PONG, b"p")


async def test_a_client_that_answers_pings_stays(patient_clock: MockClock) -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        for _ in range(10):
            opcode, payload = await peer.next()
            assert (opcode, payload) == (PING, b"")
            await peer.send(frame(PONG))
        assert trio.current_time() > 100
        door.commit()

        assert await peer.texts(1) == door.texts()


async def test_a_client_that_answers_no_ping_is_closed(
    patient_clock: MockClock,
) -> None:
    async with open_door(
        limits=WebSocketLimits(ping_interval=5, pong_timeout=3)
    ) as door:
        peer = await door.subscribe()
        start = trio.current_time()

        assert await peer.next() == (PING, b"")
        assert trio.current_time() - start == pytest.approx(5)
        await peer.send(frame(TEXT, b"I am busy"))
        assert await peer.next() == (CLOSE, (1011, ""))
        assert trio.current_time() - start == pytest.approx(8)


async def test_shutting_down_gives_the_last_events_and_then_says_goodbye() -> None:
    async with open_door() as door:
        peers = [await door.subscribe() for _ in range(3)]
        door.stop.set()
        await wait_all_tasks_blocked()
        with pytest.raises(OSError):
            await door.connect()
        door.commit(5)
        door.channel_stop.set()

        for peer in peers:
            assert await peer.texts(5) == door.texts()
            assert await peer.next() == (CLOSE, (1001, ""))
            await peer.send(frame(CLOSE, b"\x03\xe9"))
            assert not await peer.read_some()


async def test_who_does_not_say_goodbye_is_cut_at_the_deadline(
    patient_clock: MockClock,
) -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        start = trio.current_time()
        door.shut_down()

        assert await peer.next() == (CLOSE, (1001, ""))
        with pytest.raises((trio.BrokenResourceError, trio.EndOfChannel)):
            await peer.next()
        assert trio.current_time() - start == pytest.approx(5, abs=0.1)


async def test_who_replays_at_the_end_gets_whole_frames_and_close(
    patient_clock: MockClock,
) -> None:
    async with open_door(tail_bytes=1) as door:
        peer = await door.subscribe(receive_buffer=4096)
        for _ in range(10):
            door.commit(400)
        await wait_all_tasks_blocked()
        door.shut_down()

        texts = []
        while (got := await peer.next())[0] == TEXT:
            texts.append(got[1])
        assert got == (CLOSE, (1001, ""))
        assert 0 < len(texts) < 4000
        assert texts == door.texts()[: len(texts)]


async def test_half_a_frame_at_the_deadline_is_cut_without_close(
    patient_clock: MockClock,
) -> None:
    async with open_door() as door:
        peer = await door.subscribe(receive_buffer=4096)
        door.commit(5_000)
        await wait_all_tasks_blocked()
        door.shut_down()
        await trio.sleep(6)

        with pytest.raises((trio.BrokenResourceError, trio.EndOfChannel)):
            while True:
                opcode, _ = await peer.next()
                assert opcode == TEXT


async def test_an_error_of_ours_costs_one_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_door() as door:
        peer = await door.subscribe()
        with monkeypatch.context() as patch:
            patch.setattr(gate, "judge", lambda *_: 1 / 0)
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                await door.subscribe()
        door.commit()

        assert await peer.texts(1) == door.texts()
        await door.subscribe()
    assert [r.levelno for r in caplog.records if r.exc_info] == [logging.ERROR]


async def test_a_broken_log_ends_the_door() -> None:
    with pytest.RaisesGroup(LogDamaged, flatten_subgroups=True):
        async with open_door() as door:
            door.channel.begin = _damaged  # type: ignore[method-assign]
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                await door.subscribe()
            await trio.sleep_forever()


async def _damaged(asked: Asked) -> Beginning:
    await trio.lowlevel.checkpoint()
    raise LogDamaged("read", Path("log.db"), "test")


async def test_connections_of_an_address_have_a_limit() -> None:
    async with open_door(limits=WebSocketLimits(max_connections_per_address=1)) as door:
        await door.subscribe()
        late = await door.connect()
        head = await late.read_head()
        assert head.startswith(b"HTTP/1.1 429 ") and b"Retry-After: 10\r\n" in head
