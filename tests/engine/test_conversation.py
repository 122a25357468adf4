"""A conversation with an engine: requests in, answers out, and how it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.abci.engine_side import DIALECTS, encode_request
from tests.abci_door import (
    FLUSH,
    FLUSHED,
    LIMIT,
    Served,
    read_exactly,
    read_to_end,
    serving,
)
from tests.fake_engine import EngineStopped, FakeEngine
from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s
from trio_stream.abci.connection import VERDICT_DELAY_SECONDS
from trio_stream.engine import conversation
from trio_stream.engine.places import BESIDE, HELD_MESSAGES, SMALL_BYTES


class CountingStream(trio.abc.Stream):
    """A stream that keeps what is sent through it, send by send."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.sent: list[bytes] = []

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def test_the_answers_to_one_receive_are_one_write_in_order() -> None:
    dialect = DIALECTS["C38"]
    asked: list[m.Request] = [
        *(m.CheckTx(b"bad%d" % n if n % 2 else b"good") for n in range(70)),
        m.Flush(),
        m.Info("0.38.26", "2.0.0"),
        m.Echo("x"),
    ]
    async with serving() as served:
        client, server = trio.testing.memory_stream_pair()
        counting = CountingStream(server)
        await served.listener.give(counting)
        await client.send_all(b"".join(encode_request(each, dialect) for each in asked))
        await read_exactly(client, 1)
        assert len(counting.sent) == 1

    accepted, refused = b"\x02\x4a\x00", b"\x09\x4a\x07\x08\x01\x1a\x03bad"
    assert counting.sent[0].startswith((accepted + refused) * 35 + FLUSHED)
    assert counting.sent[0].endswith(b"\x05\x12\x03\x0a\x01x")


async def test_chunks_that_are_asked_for_at_once_are_not_held_together() -> None:
    dialect = DIALECTS["C38"]
    snapshot = s.Snapshot(7, 1, 2, b"", b"")
    load = encode_request(s.LoadSnapshotChunk(7, 1, 1), dialect)
    async with serving() as served:
        served.application.snapshots[snapshot] = [b"", b"x" * 1_000]
        client, server = trio.testing.memory_stream_pair()
        counting = CountingStream(server)
        await served.listener.give(counting)
        await client.send_all((load + FLUSH) * 5)
        answered = await read_exactly(client, 5 * (1_008 + len(FLUSHED)))
    assert answered.endswith(FLUSHED)
    assert max(map(len, counting.sent)) < 1_020


@pytest.mark.parametrize(("dialect", "held"), [("T33", True), ("T34", False)])
async def test_an_old_engine_does_not_get_its_verdicts_too_early(
    dialect: str, held: bool, autojump_clock: MockClock
) -> None:
    async with serving() as served, FakeEngine(dialect, served.connect) as engine:
        await engine.handshake()
        began = trio.current_time()
        await engine.check(b"a", b"b", b"c")
        delay = trio.current_time() - began
        await engine.block(b"a")
        assert trio.current_time() - began == delay

    assert delay == (VERDICT_DELAY_SECONDS if held else 0)


async def test_a_commit_is_announced_before_its_answer_is_written() -> None:
    dialect = DIALECTS["C38"]
    async with serving() as served:
        client, server = trio.testing.memory_stream_pair()
        announced_at_send: list[list[int]] = []

        class Spy(CountingStream):
            async def send_all(self, data: bytes | bytearray | memoryview) -> None:
                announced_at_send.append(list(served.announced))
                await super().send_all(data)

        await served.listener.give(Spy(server))
        block = m.FinalizeBlock((), 1, m.Time(0, 0))
        for request in (block, m.Commit()):
            await client.send_all(encode_request(request, dialect))
            await read_exactly(client, 1)

    assert announced_at_send == [[], [1]]


GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x00",
    b"\xff" * 20,
    FLUSH + b"\x02\x10\x00",
    FLUSH + b"\xff\xff\xff\x7f",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_a_peer_that_breaks_the_protocol_loses_its_connection_alone(
    garbage: bytes,
) -> None:
    async with serving() as served, FakeEngine("C38", served.connect) as engine:
        await engine.handshake()
        stranger = await served.connect()

        await stranger.send_all(garbage)
        answered = await read_to_end(stranger)

        assert answered == (FLUSHED if garbage.startswith(FLUSH) else b"")
        await engine.block(b"a")
    assert served.announced == [1]


async def test_half_a_message_and_then_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served:
        client = await served.connect()
        await client.send_all(FLUSH[:2])
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()

    assert "broke the protocol: the stream ended inside a message" in caplog.text


async def test_an_unknown_request_is_answered_with_an_exception_and_a_close() -> None:
    async with serving() as served:
        client = await served.connect()

        await client.send_all(FLUSH + b"\x03\xba\x02\x00" + FLUSH)
        with trio.fail_after(60):
            answered = await read_exactly(client, len(FLUSHED) + 31)
            await client.aclose()

    assert answered.startswith(FLUSHED)
    assert b"unknown request, number 39" in answered


async def test_after_a_failure_nothing_more_of_the_batch_is_answered() -> None:
    async with serving() as served:
        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()
            with pytest.raises(EngineStopped, match="block 9 does not follow 0"):
                wrong = m.FinalizeBlock((), 9, m.Time(0, 0))
                await engine.consensus.call_all([wrong, m.Commit()])
            # The other connections are as before.
            assert await engine.check(b"a") == [m.TxResult(0)]

    assert m.Commit() not in served.application.requests


async def test_the_engine_reads_the_failure_though_it_sent_more() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    dialect = DIALECTS["C38"]
    wrong = encode_request(m.FinalizeBlock((), 9, m.Time(0, 0)), dialect)
    async with serving(listeners=lambda served: [listener]):
        client = await trio.open_tcp_stream("127.0.0.1", port)
        # Far more than one receive takes.
        await client.send_all(wrong + FLUSH * 100_000)
        answered = await read_to_end(client)
        await client.aclose()

    assert b"does not follow" in answered


async def test_a_stream_that_can_not_half_close_is_closed_after_a_failure() -> None:
    async with serving() as served:
        client, server = trio.testing.memory_stream_pair()
        await served.listener.give(CountingStream(server))

        await client.send_all(b"\x03\xba\x02\x00")

        assert b"unknown request" in await read_to_end(client)


async def test_a_peer_that_stays_after_a_failure_is_disconnected(
    autojump_clock: MockClock,
) -> None:
    async with serving() as served:
        client = await served.connect()
        await client.send_all(b"\x03\xba\x02\x00")
        await read_to_end(client)
        began = trio.current_time()

        with pytest.raises(trio.BrokenResourceError):
            while True:
                await client.send_all(FLUSH)
                await trio.sleep(0.1)

    assert trio.current_time() - began <= conversation.FAREWELL_SECONDS + 0.2


async def test_an_engine_that_does_not_read_is_disconnected(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served:
        client, server = trio.testing.lockstep_stream_pair()
        await served.listener.give(server)
        await client.send_all(FLUSH)
        began = trio.current_time()
        await trio.sleep(conversation.STALL_SECONDS - 1)
        assert "closed" not in caplog.text
        await trio.sleep(2)
        assert "closed: the engine read nothing for 60 s" in caplog.text
        assert trio.current_time() - began < conversation.STALL_SECONDS + 2

        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()


async def test_a_silent_engine_is_left_alone(autojump_clock: MockClock) -> None:
    async with serving() as served:
        client = await served.connect()

        await trio.sleep(30 * 24 * 3600)
        await client.send_all(FLUSH)

        assert await read_exactly(client, 3) == FLUSHED


async def test_nothing_is_read_while_a_batch_is_being_answered() -> None:
    gate = trio.Event()

    async def gated(sync_fn: Callable[[], None], **options: object) -> None:
        await gate.wait()
        sync_fn()

    check = encode_request(m.CheckTx(b"a"), DIALECTS["C38"])
    async with serving(run_sync=gated) as served:
        client, server = trio.testing.lockstep_stream_pair()
        await served.listener.give(server)
        await client.send_all(check)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0) as scope:
            await client.send_all(check)
        assert scope.cancelled_caught
        gate.set()
        assert await read_exactly(client, 3) == b"\x02\x4a\x00"
        await client.aclose()


async def test_a_large_block_passes_in_many_pieces() -> None:
    txs = [bytes([n]) * (1 << 20) for n in range(8)]
    async with serving(frame_limit=16 << 20) as served:
        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()
            block = await engine.block(*txs)

    assert block.results == (m.TxResult(0),) * 8
    finalize = next(
        each
        for each in served.application.requests
        if isinstance(each, m.FinalizeBlock)
    )
    assert list(finalize.txs) == txs


async def test_a_large_answer_passes_in_slices() -> None:
    txs = [bytes(700_000), bytes(700_000)]
    async with serving(frame_limit=16 << 20) as served:
        async with FakeEngine("C38", served.connect) as engine:
            await engine.propose(txs)


def beginning_of_a_message(size: int) -> bytes:
    """A CheckTx of `size` bytes, without its last byte."""
    whole = encode_request(m.CheckTx(bytes(size)), DIALECTS["C38"])
    return whole[: len(whole) - size]


async def fed(served: Served, count: int) -> trio.abc.Stream:
    """A stranger that has sent `count` bytes of a message whose last byte is missing."""
    stranger = await served.connect()
    await stranger.send_all(beginning_of_a_message(count + 1) + bytes(count))
    await trio.testing.wait_all_tasks_blocked()
    return stranger


async def test_held_bytes_of_unfinished_messages_are_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    size = LIMIT - 2000
    async with serving() as served, FakeEngine("C38", served.connect) as engine:
        await engine.handshake()
        # A connection that comes directly after the engine could be one of its own.
        beside = [await served.connect() for _ in range(BESIDE)]
        first = await fed(served, size)
        second = await fed(served, size)
        small = await fed(served, 1000)
        assert "unanswered" not in caplog.text
        # An engine gives way to nobody; the others do.
        await engine.block(bytes(LIMIT // 2))
        assert await read_to_end(first) == b""
        # Among others the oldest does.
        third = await fed(served, size)
        fourth = await fed(served, size)
        assert await read_to_end(second) == b""
        await small.send_all(bytes(1))
        await trio.testing.wait_all_tasks_blocked()
        assert await small.receive_some() == b"\x02\x4a\x00"
        for each in (third, fourth, *beside):
            await each.aclose()
        await engine.block(b"a")

    assert "unanswered messages hold too many bytes" in caplog.text
    assert served.announced == [1, 2]


async def test_bytes_of_messages_that_were_answered_do_not_count() -> None:
    large = encode_request(m.CheckTx(bytes(LIMIT - 100)), DIALECTS["C38"])
    async with serving() as served:
        strangers = [await served.connect() for _ in range(2 * HELD_MESSAGES)]
        for _ in range(3):
            for each in strangers:
                await each.send_all(large + FLUSH[:1])
                assert await read_exactly(each, 3) == b"\x02\x4a\x00"
                await each.send_all(FLUSH[1:])
                assert await read_exactly(each, 3) == FLUSHED
    assert LIMIT > SMALL_BYTES


async def test_a_message_that_stops_arriving_ends_its_connection(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served:
        began = trio.current_time()
        stranger = await served.connect()
        await stranger.send_all(FLUSH + beginning_of_a_message(1000))
        assert await read_exactly(stranger, 3) == FLUSHED
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await stranger.send_all(b"x")
                await trio.sleep(1)
        assert abs(trio.current_time() - began - conversation.MESSAGE_SECONDS) < 3

    assert "bytes of a message arrived within 120 s" in caplog.text


async def test_a_slow_link_gets_its_message_through(autojump_clock: MockClock) -> None:
    size = 4 << 20
    whole = encode_request(m.CheckTx(bytes(size)), DIALECTS["C38"])
    step = conversation.MESSAGE_RATE
    async with serving(frame_limit=2 * size) as served:
        engine = await served.connect()
        for _ in range(2):
            for start in range(0, len(whole), step):
                await engine.send_all(whole[start : start + step])
                await trio.sleep(1)
            assert await read_exactly(engine, 3) == b"\x02\x4a\x00"
            await trio.sleep(24 * 3600)
        assert trio.current_time() > 2 * conversation.MESSAGE_SECONDS


@pytest.mark.parametrize("busy", [m.CheckTx(b"a"), m.EndBlock(1)])
async def test_info_echo_and_query_wait_for_nothing(busy: m.Request) -> None:
    gate = trio.Event()

    async def gated(sync_fn: Callable[[], None], **options: object) -> None:
        await gate.wait()
        sync_fn()

    dialect = DIALECTS["C37"]
    async with serving(run_sync=gated) as served:
        async with FakeEngine("C37", served.connect) as engine:
            await engine.consensus.stream.send_all(encode_request(busy, dialect))
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(2):
                assert await engine.info() == m.InfoAnswer("fake", 0, b"")
            asked: list[m.Request] = [m.Echo("x"), m.Query(), dialect.info]
            assert len(await engine.query.call_all(asked)) == 3
            gate.set()


async def test_an_engine_that_starts_learns_of_the_commit_that_it_interrupted() -> None:
    """Otherwise it would send that block again, to an application that already has it."""
    gate = trio.Event()

    async def gated(sync_fn: Callable[[], None], **options: object) -> None:
        await gate.wait()
        sync_fn()

    heights: list[int] = []
    async with serving(run_sync=gated) as served:
        killed = await served.connect()
        commit = encode_request(m.Commit(), DIALECTS["C38"])
        async with FakeEngine("C38", served.connect) as running:
            await running.info()
            await killed.send_all(commit)
            await trio.testing.wait_all_tasks_blocked()
            # One that runs, for a health check, gets what is durable now.
            assert (await running.info()).last_block_height == 0
            await killed.aclose()
            async with FakeEngine("C38", served.connect) as again:

                async def ask() -> None:
                    heights.append((await again.info()).last_block_height)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    await trio.testing.wait_all_tasks_blocked()
                    assert heights == []
                    gate.set()
    assert heights == [1]


async def test_what_was_begun_when_the_door_stops_is_answered_and_no_more_is_read(
    autojump_clock: MockClock,
) -> None:
    gate = trio.Event()

    async def gated(sync_fn: Callable[[], None], **options: object) -> None:
        await gate.wait()
        sync_fn()

    commit = encode_request(m.Commit(), DIALECTS["C38"])
    async with serving(run_sync=gated) as served:
        client = await served.connect()
        await client.send_all(commit + FLUSH)
        await trio.testing.wait_all_tasks_blocked()
        served.stop.set()
        await trio.testing.wait_all_tasks_blocked()
        await client.send_all(FLUSH)
        gate.set()
        assert await read_to_end(client) == b"\x05\x62\x03\x12\x011" + FLUSHED


async def test_the_connection_for_blocks_is_read_for_a_while_when_the_door_stops(
    autojump_clock: MockClock,
) -> None:
    async with serving() as served, FakeEngine("C38", served.connect) as engine:
        await engine.handshake()
        await engine.block(b"a")
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        served.stop.set()
        await trio.sleep(1)
        await engine.block(b"b")
        assert await read_to_end(engine.consensus.stream) == b""
        assert trio.current_time() - began == 2
    assert served.announced == [1, 2]
