"""The whole daemon: in its nursery, and as the process that a user starts."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from trio_websocket import (
    ConnectionClosed,
    open_websocket_url,
    wrap_client_stream,
)

from scripts import http_client
from scripts.daemon_process import Settings, run_daemon
from scripts.signing import Key, create, encode, transfer
from tests.fake_engine import Chain, FakeEngine
from tests.forked import run_in_fork
from trio_stream import daemon
from trio_stream.config import Address, Config
from trio_stream.node import Addresses

ALICE = Key.from_seed(b"\x01" * 32)
BOB = Key.from_seed(b"\x02" * 32)

POST = b"POST /api/v1/transactions HTTP/1.1\r\nHost: a\r\n"

DEADLINE = 120
"""Seconds that nothing here comes near; a hang fails instead of hanging."""


def settings(home: Path, **more: object) -> Config:
    return Config(
        home=home,
        abci="tcp://127.0.0.1:0",
        stream=Address("127.0.0.1", 0),
        api=Address("127.0.0.1", 0),
        **more,  # type: ignore[arg-type]  # any setting
    )


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Addresses]:
    """The daemon in this process; SIGTERM at the end, as an operator would."""
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(partial(daemon.run, config))
            try:
                yield addresses
            except BaseException:
                nursery.cancel_scope.cancel()
                raise
            signal.raise_signal(signal.SIGTERM)


def engine_at(
    addresses: Addresses, dialect: str, chain: Chain | None = None
) -> FakeEngine:
    place = urlsplit(addresses.abci)

    async def connect() -> trio.abc.Stream:
        if place.scheme == "unix":
            return await trio.open_unix_socket(place.path)
        return await trio.open_tcp_stream(*host_and_port(addresses.abci))

    return FakeEngine(dialect, connect, chain=chain)


def host_and_port(url: str) -> tuple[str, int]:
    place = urlsplit(url)
    assert place.hostname and place.port
    return place.hostname, place.port


async def index(addresses: Addresses) -> dict[str, str]:
    host, port = host_and_port(addresses.api)
    document = (await http_client.fetch(host, port, "GET", "/api/v1/")).json()
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize(
    "dialect", ["T31", "T32", "T33", "T34", "C37", "C38", "C39", "C10"]
)
async def test_committed_transactions_reach_a_subscriber(
    tmp_path: Path, dialect: str
) -> None:
    created = create(ALICE)
    moved = transfer(created, ALICE, recipients=[(BOB, 1)])
    async with running(settings(tmp_path)) as addresses:
        async with (
            open_websocket_url(addresses.stream) as stream,
            engine_at(addresses, dialect) as engine,
        ):
            await engine.handshake()
            block = await engine.block(encode(created), b"nonsense", encode(moved))
            assert [result.code for result in block.results] == [0, 1, 0]
            for transaction in (created, moved):
                assert await stream.get_message() == (
                    f'{{"height": 1, "asset_id": "{created["id"]}", '
                    f'"transaction_id": "{transaction["id"]}"}}'
                )


async def test_a_supervisor_hears_of_start_life_and_stop(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        variables = {
            "NOTIFY_SOCKET": supervisor.getsockname(),
            "WATCHDOG_USEC": "200000",
        }
        node = Settings(tmp_path / "home", environment=variables)

        async def heard() -> bytes:
            return await trio.to_thread.run_sync(supervisor.recv, 4096)

        doing = b"STATUS=block 0; no engine is connected; 0 subscribers"
        with trio.fail_after(DEADLINE):
            async with run_daemon(node) as running:
                assert await heard() == b"READY=1\n" + doing
                assert await heard() == b"WATCHDOG=1\n" + doing
                running.send_signal(signal.SIGTERM)
                while (last := await heard()) == b"WATCHDOG=1\n" + doing:
                    pass
                assert last == b"STOPPING=1\nSTATUS=stopping"
                assert await running.wait() == 0


async def test_unix_socket(tmp_path: Path) -> None:
    config = settings(tmp_path / "home")
    config = Config(
        home=config.home,
        abci=f"unix://{tmp_path}/abci.sock",
        stream=config.stream,
        api=config.api,
    )
    async with running(config) as addresses:
        assert addresses.abci == config.abci
        async with engine_at(addresses, "C38") as engine:
            await engine.handshake()
            await engine.block(encode(create(ALICE)))
            assert (await engine.info()).last_block_height == 1
    assert not (tmp_path / "abci.sock").exists()


@pytest.mark.slow
async def test_a_stop_sends_everything_committed_and_then_close_1001(
    tmp_path: Path,
) -> None:
    transactions = [create(ALICE, metadata={"n": n}) for n in range(200)]
    received = []
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            config = settings(tmp_path)
            addresses: Addresses = await nursery.start(partial(daemon.run, config))
            async with (
                # The library leaves a stream open that the other end closed.
                await trio.open_tcp_stream(*host_and_port(addresses.stream)) as socket,
                engine_at(addresses, "C38") as engine,
            ):
                path = urlsplit(addresses.stream).path
                stream = await wrap_client_stream(nursery, socket, "localhost", path)
                await engine.handshake()
                await engine.block(*map(encode, transactions))
                signal.raise_signal(signal.SIGTERM)
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        received.append(await stream.get_message())
    assert len(received) == len(transactions)
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1001


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    ages = DEADLINE * 100
    config = settings(tmp_path, shutdown_http=ages, shutdown_total=ages)
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(partial(daemon.run, config))
            held, idle = [
                await trio.open_tcp_stream(*host_and_port(addresses.api))
                for _ in range(2)
            ]
            async with held, idle:
                # A body that never comes holds up an orderly stop.
                await held.send_all(POST + b"Content-Length: 5\r\n\r\n{")
                await idle.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert await idle.receive_some()
                await wait_all_tasks_blocked()
                signal.raise_signal(signal.SIGTERM)
                # The first signal closes what is idle, the second everything.
                while await idle.receive_some():
                    pass
                signal.raise_signal(signal.SIGTERM)
                assert await held.receive_some() == b""


async def test_the_index_advertises_the_stream(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as addresses:
        assert (await index(addresses))["streams"] == addresses.stream
    config = settings(
        tmp_path,
        advertised_scheme="wss",
        advertised_host="node.example",
        advertised_port=443,
    )
    async with running(config) as addresses:
        expected = "wss://node.example:443/api/v1/streams/valid_transactions"
        assert (await index(addresses))["streams"] == expected


async def test_a_daemon_that_listens_everywhere_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = Config(
        home=tmp_path,
        abci="tcp://0.0.0.0:0",
        stream=Address("0.0.0.0", 0),
        api=Address("0.0.0.0", 0),
    )
    async with running(config) as addresses:
        assert (await index(addresses))["streams"] == addresses.stream
    for address in (addresses.abci, addresses.stream, addresses.api):
        assert urlsplit(address).hostname == "0.0.0.0"
        assert address in caplog.text
    assert "abci is bound to tcp://0.0.0.0:0 and has no authentication" in caplog.text


async def test_a_door_for_this_machine_alone_causes_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings(tmp_path)):
        pass
    assert "no authentication" not in caplog.text


async def test_the_process_stops_with_status_0(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with run_daemon(Settings(home=tmp_path / "home")) as process:
            assert (await process.http("GET", "/")).status == 200
            assert await process.stop() == 0
            assert "Traceback" not in process.last_words()


async def test_a_second_daemon_on_a_home_names_the_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with trio.fail_after(DEADLINE):
        async with run_daemon(Settings(home=home)) as first:
            arguments = Settings(home=home).arguments_of_run()
            second = partial(
                run_in_fork, arguments, tmp_path / "said", seconds=DEADLINE
            )
            status, stderr = await trio.to_thread.run_sync(second)
            assert status == 1
            assert str(first.pid) in stderr
            assert "Traceback" not in stderr
            assert (await first.http("GET", "/")).status == 200


async def test_a_taken_port_is_one_line_and_status_1(tmp_path: Path) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        taken = Settings(home=tmp_path / "home", stream=f"127.0.0.1:{port}")
        status, stderr = run_in_fork(
            taken.arguments_of_run(), tmp_path / "said", seconds=DEADLINE
        )
    assert status == 1
    *warnings, said = stderr.splitlines()
    assert f"127.0.0.1:{port}: Address already in use (stop" in said
    # If the limit of open files is low.
    assert all(" WARNING " in line for line in warnings)
