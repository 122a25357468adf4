"""The ABCI door, with engines of all dialects at it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

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
from tests.fake_application import FakeApplication, run_inline
from tests.fake_engine import Chain, EngineStopped, FakeEngine
from tests.state_syncing import block_sync, state_sync
from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s
from trio_stream.engine import server as abci_server
from trio_stream.engine.places import BESIDE, MAX_CONNECTIONS

RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing resets."""


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_engine_of_each_dialect_is_served(dialect: str) -> None:
    async with serving() as served, FakeEngine(dialect, served.connect) as engine:
        assert await engine.handshake() == m.InfoAnswer("fake", 0, b"")
        checked = await engine.check(b"good", b"bad", *[b"more"] * 100)
        first = await engine.block(b"good", b"bad")
        second = await engine.block()

    assert checked[:2] == [m.TxResult(0), m.TxResult(1, "bad")]
    assert len(checked) == 102
    assert first.results == (m.TxResult(0), m.TxResult(1, "bad"))
    assert (first.app_hash, second.app_hash) == (b"1", b"2")
    assert served.announced == [1, 2]
    assert served.application.height == 2


@pytest.mark.parametrize("dialect", ["T33", "C10"])
async def test_an_engine_that_starts_again_replays_what_is_missing(
    dialect: str,
) -> None:
    chain = Chain()
    async with serving() as served:
        async with FakeEngine(dialect, served.connect, chain=chain) as engine:
            await engine.handshake()
            await engine.block(b"a")
            await engine.block(b"b")
        served.application.height = 1  # as if the second commit had been lost
        async with FakeEngine(dialect, served.connect, chain=chain) as engine:
            await engine.handshake()
            await engine.block(b"c")

    assert served.application.height == 3


@pytest.mark.parametrize("dialect", ["T34", "C37", "C38", "C39", "C10"])
async def test_an_engine_restores_what_another_serves(dialect: str) -> None:
    snapshot = s.Snapshot(2, 1, 3, b"hash", b"about")
    async with serving() as source, serving() as target:
        source.application.snapshots[snapshot] = [b"a", b"b" * 300_000, b""]
        async with (
            FakeEngine(dialect, source.connect) as peer,
            FakeEngine(dialect, target.connect) as engine,
        ):
            await peer.handshake()
            for _ in range(4):
                await peer.block(b"good")
            assert await state_sync(engine, peer) == snapshot
            assert target.announced == [2]
            await block_sync(engine, peer)
            await engine.block(b"more")
    applied = [
        each.chunk
        for each in target.application.requests
        if isinstance(each, s.ApplySnapshotChunk)
    ]
    assert applied == [b"a", b"b" * 300_000, b""]
    assert target.announced == [2, 3, 4, 5]


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_real_sockets_and_a_real_thread(family: str, tmp_path: Path) -> None:
    if family == "tcp":
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    else:
        door = trio.socket.socket(trio.socket.AF_UNIX)
        await door.bind(str(tmp_path / "abci"))
        door.listen()
        listener = trio.SocketListener(door)
    address = listener.socket.getsockname()

    async def connect() -> trio.SocketStream:
        client = trio.socket.socket(listener.socket.family)
        await client.connect(address)
        return trio.SocketStream(client)

    async with serving(
        run_sync=trio.to_thread.run_sync, listeners=lambda served: [listener]
    ) as served:
        async with FakeEngine("C38", connect) as engine:
            await engine.handshake()
            await engine.check(*[b"x" * 1000] * 500)
            await engine.block(*[b"x" * 1000] * 500)

    assert served.announced == [1]
    assert threading.get_ident() not in served.application.threads


async def test_an_error_of_the_application_ends_the_door() -> None:
    class LogBroken(Exception):
        pass

    def fail(request: m.Request) -> None:
        raise LogBroken

    with pytest.RaisesGroup(LogBroken, flatten_subgroups=True):
        async with serving(FakeApplication(fail)) as served:
            async with FakeEngine("C38", served.connect) as engine:
                with pytest.raises(EngineStopped):
                    await engine.handshake()
            await served.stopped.wait()


async def test_a_closed_connection_is_disowned() -> None:
    async with serving() as served:
        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()
            assert served.application.disowned == []
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(served.application.disowned) == [1, 2, 3, 4]


async def test_a_reset_connection_harms_nobody() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    connect = partial(trio.open_tcp_stream, "127.0.0.1", port)
    async with serving(listeners=lambda served: [listener]) as served:
        async with FakeEngine("C38", connect) as engine:
            await engine.handshake()
            for data in (b"", FLUSH, FLUSH[:1], FLUSH * 10_000):
                client = await connect()
                await client.send_all(data)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                await client.aclose()
            await engine.block(b"a")

    assert served.announced == [1]


async def test_a_stop_lets_the_current_batch_finish(autojump_clock: MockClock) -> None:
    gate = trio.Event()

    async def gated(sync_fn: Callable[[], None], **options: object) -> None:
        await gate.wait()
        sync_fn()

    dialect = DIALECTS["C38"]
    async with serving(run_sync=gated) as served:
        idle = await served.connect()
        busy = await served.connect()
        await busy.send_all(encode_request(m.Commit(), dialect) + FLUSH)
        await trio.testing.wait_all_tasks_blocked()

        served.stop.set()
        assert await read_to_end(idle) == b""
        assert not served.stopped.is_set()
        gate.set()
        assert await read_to_end(busy) == b"\x05\x62\x03\x12\x011" + FLUSHED
        await served.stopped.wait()

    assert served.announced == [1]


async def test_a_stop_ends_what_takes_the_application_long(
    autojump_clock: MockClock,
) -> None:
    application = FakeApplication()
    async with serving(application):
        assert not application.given_up
    assert application.given_up


async def test_a_stop_does_not_wait_for_ever(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def never(sync_fn: Callable[[], None], **options: object) -> None:
        await trio.sleep_forever()

    async with serving(run_sync=never) as served:
        client = await served.connect()
        await client.send_all(encode_request(m.Commit(), DIALECTS["C38"]))
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        served.stop.set()
        await served.stopped.wait()

    assert trio.current_time() - began == 5
    assert "abci connections were cut off after 5 s" in caplog.text


@pytest.mark.parametrize("dialect", ["T34", "C37", "C38", "C39", "C10"])
async def test_an_engine_can_finish_its_work_when_the_door_stops(
    dialect: str, autojump_clock: MockClock
) -> None:
    """Closing the query connection makes an engine exit; until then it needs answers."""
    async with serving() as served:
        async with FakeEngine(dialect, served.connect) as engine:
            await engine.handshake()
            await engine.block(b"a")
            await trio.testing.wait_all_tasks_blocked()
            began = trio.current_time()

            served.stop.set()
            assert await read_to_end(engine.query.stream) == b""
            await engine.block(b"b")
        await served.stopped.wait()

    assert served.announced == [1, 2]
    assert trio.current_time() == began


@pytest.mark.parametrize(("dialect", "seconds"), [("T33", 0), ("C38", 2)])
async def test_an_engine_that_stays_when_the_door_stops_is_left(
    dialect: str, seconds: float, autojump_clock: MockClock
) -> None:
    """Up to 0.33 an engine never leaves by itself, so there is nothing to wait for."""
    async with serving() as served:
        async with FakeEngine(dialect, served.connect) as engine:
            await engine.handshake()
            await engine.block(b"a")
            await trio.testing.wait_all_tasks_blocked()
            began = trio.current_time()
            served.stop.set()
            await served.stopped.wait()
            assert trio.current_time() - began == seconds
            assert await read_to_end(engine.consensus.stream) == b""


async def test_a_commit_in_progress_is_announced_even_if_the_stop_is_late() -> None:
    entered = trio.Event()
    release = threading.Event()
    token = trio.lowlevel.current_trio_token()

    def hold(request: m.Request) -> None:
        token.run_sync_soon(entered.set)
        assert release.wait(10)

    served = Served(FakeApplication(hold))
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                abci_server.AbciServer(
                    served.application,
                    on_commit=served.announced.append,
                    frame_limit=LIMIT,
                ).serve,
                [served.listener],
                shutdown_timeout=5,
                stop=served.stop,
            )
        )
        client = await served.connect()
        await client.send_all(encode_request(m.Commit(), DIALECTS["C38"]))
        await entered.wait()
        nursery.cancel_scope.cancel()
        release.set()

    assert served.announced == [1]


async def test_who_is_at_the_door_and_what_the_machine_does() -> None:
    async with serving() as served:
        assert served.statistics().places.engine is None
        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()
            await engine.block(b"a")
            found = served.statistics()
            assert found.places.connections == 4
            assert found.places.engine == ("C38", engine.dialect.info.version)
            assert found.machine.announced == 1
        await trio.testing.wait_all_tasks_blocked()
        assert served.statistics().places.engine is None


async def test_silent_connections_give_way_to_an_engine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        crowd = [await served.connect() for _ in range(MAX_CONNECTIONS)]
        await trio.testing.wait_all_tasks_blocked()
        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()
            for stranger in crowd[:4]:
                assert await read_to_end(stranger) == b""
            # Nor do later strangers push out the silent connections of the engine.
            more = [await served.connect() for _ in range(MAX_CONNECTIONS)]
            await trio.testing.wait_all_tasks_blocked()
            assert await read_to_end(crowd[4]) == b""
            await engine.snapshot.stream.send_all(FLUSH)
            assert await read_exactly(engine.snapshot.stream, 3) == FLUSHED
            await engine.check(b"a")
            await engine.block(b"a")
    assert len(more) == MAX_CONNECTIONS
    assert (
        "64 abci connections are open: closing number 1 from somewhere" in caplog.text
    )


@pytest.mark.parametrize("asked", [m.Query(), m.Echo("x"), DIALECTS["C38"].info])
async def test_strangers_that_asked_something_give_way_to_an_engine_which_keeps_its_places(
    asked: m.Request, caplog: pytest.LogCaptureFixture
) -> None:
    async def come() -> trio.abc.Stream:
        stranger = await served.connect()
        await stranger.send_all(encode_request(asked, DIALECTS["C38"]))
        await trio.testing.wait_all_tasks_blocked()
        assert await stranger.receive_some()
        return stranger

    async with serving() as served:
        before = [await come() for _ in range(MAX_CONNECTIONS)]
        async with FakeEngine("C38", served.connect) as engine:
            await engine.handshake()
            for stranger in before[:4]:
                assert await read_to_end(stranger) == b""
            await engine.block(b"a")
            # The other connections of the engine are silent, but no newcomer takes their places.
            after = [await come() for _ in range(2 * MAX_CONNECTIONS)]
            assert await read_to_end(before[4]) == b""
            assert await read_to_end(after[BESIDE]) == b""
            await engine.snapshot.stream.send_all(FLUSH)
            assert await read_exactly(engine.snapshot.stream, 3) == FLUSHED
            await engine.check(b"a")
            await engine.info()
            await engine.block(b"b")
            # Another engine, or the same one started again, finds places too.
            async with FakeEngine("C38", served.connect, chain=engine.chain) as again:
                await again.handshake()
                await again.block(b"c")
    assert (
        "64 abci connections are open: closing number 1 from somewhere" in caplog.text
    )


async def test_an_engine_whose_connection_is_taken_on_while_the_door_stops_is_left(
    autojump_clock: MockClock,
) -> None:
    door = abci_server.AbciServer(
        FakeApplication(),
        on_commit=lambda _: None,
        frame_limit=LIMIT,
        run_sync=run_inline,
    )
    door.stop_receiving(0)
    theirs, ours = trio.testing.memory_stream_pair()
    await theirs.send_all(FLUSH)
    await door.handle(ours)
    await ours.aclose()
    assert await read_to_end(theirs) == b""
    assert door.statistics().places.connections == 0
