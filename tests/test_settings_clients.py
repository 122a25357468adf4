"""Settings that say what a client may cost, in force in the whole daemon at each door.

Doors: of those who subscribe, the WebSocket's, Server-Sent Events and polls; of all others, HTTP.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import open_websocket_url

from scripts.certificate import write_certificate
from scripts.signing import Key, create, encode
from tests.still_daemon import Still, everything, is_full, is_open, server_end, still
from tests.test_daemon import engine_at, host_and_port, running, settings
from tests.websocket_peer import PATH, PING, Peer, request
from trio_stream.log.reader import LogReader
from trio_stream.net.sockets import unacknowledged
from trio_stream.node import Addresses
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import PageRequest

ALICE = Key.from_seed(b"\x01" * 32)
LONG = create(ALICE, metadata={"x": "y" * 400_000})
ALL = "?after=earliest&detail=full"
HEAD = "HTTP/1.1\r\nHost: a\r\n"
READS = {
    "websocket": ("stream", request(target=PATH + ALL).decode()),
    "events": ("api", f"GET {PATH}{ALL} {HEAD}Accept: text/event-stream\r\n\r\n"),
    "pull": ("api", f"GET /api/v1/events{ALL}&wait=20 {HEAD}\r\n"),
    "front": ("api", f"GET /api/v1/transactions/{LONG['id']} {HEAD}\r\n"),
    "route": (
        "api",
        f"GET /api/v1/transactions/{LONG['id']} {HEAD}Connection: close\r\n\r\n",
    ),
}
"""Requests for more than sockets hold."""
GONE = (-1, None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    certificate, key = write_certificate(tmp_path_factory.mktemp("tls"))
    return {"tls_certificate": certificate, "tls_key": key}


async def commit_long(daemon: Still) -> None:
    async with engine_at(daemon.addresses, "C38") as engine:
        await engine.handshake()
        await engine.block(encode(LONG))


async def read_nothing(daemon: Still, door: str) -> trio.SocketStream:
    """A client that asked for much, and whose connection holds what it can."""
    client = await daemon.connect(*READS[door], receive_buffer=4096)
    await daemon.until(lambda: is_full(client))
    return client


@pytest.mark.parametrize("door", READS)
async def test_stall_timeout(tmp_path: Path, door: str, mock_clock: MockClock) -> None:
    config = settings(tmp_path, stall_timeout=25, send_buffer=32 * 1024)
    async with still(config, mock_clock) as daemon:
        await commit_long(daemon)
        client = await read_nothing(daemon, door)
        await daemon.passes(24)
        assert is_open(client)
        await daemon.passes(2)
        if is_open(client):
            # What its kernel took late began the time anew.
            await daemon.passes(25)
        await daemon.until(lambda: not is_open(client))
        await client.aclose()


@pytest.mark.parametrize("door", ["stream", "api"])
async def test_send_buffer(tmp_path: Path, door: str, mock_clock: MockClock) -> None:
    # The kernel gives twice what it is asked for, for what it keeps beside the bytes.
    async with still(settings(tmp_path, send_buffer=50_000), mock_clock) as daemon:
        async with await daemon.connect(door) as client:
            await daemon.until(lambda: is_open(client))
            await daemon.settle()
            there = server_end(client.socket)
            assert there is not None
            with there:
                size = there.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            assert size in (50_000, 100_000)


@pytest.mark.parametrize("tls", [False, True])
async def test_ping_interval_and_pong_timeout(
    tmp_path: Path, tls: bool, files: dict[str, Path], mock_clock: MockClock
) -> None:
    config = settings(
        tmp_path, ping_interval=3, pong_timeout=4, **(files if tls else {})
    )
    async with still(config, mock_clock) as daemon:
        port = host_and_port(daemon.addresses.stream)[1]
        client = await Peer.connect(port, tls=_trusting(files) if tls else None)
        await client.send(request())
        assert b" 101 " in await client.read_head()
        await daemon.until(lambda: _has_taken_all(client))
        asked: list[tuple[int, object]] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_collect, client, asked)
            await daemon.passes(2.5)
            assert not asked
            await daemon.passes(1)
            await daemon.until(lambda: asked)
            assert asked.pop()[0] == PING
            # The clock that acknowledges is the kernel's.
            await daemon.until(lambda: _has_taken_all(client))
            await daemon.passes(3.5)
            assert not asked
            await daemon.passes(1)
            await daemon.until(lambda: GONE in asked)
            nursery.cancel_scope.cancel()
        client.reset()


async def _collect(client: Peer, into: list[tuple[int, object]]) -> None:
    try:
        while True:
            into.append(await client.next())
    except (trio.EndOfChannel, trio.BrokenResourceError):
        into.append(GONE)


def _has_taken_all(client: Peer) -> bool:
    there = server_end(client.raw)
    assert there is not None
    with there:
        return not unacknowledged(there)


def _trusting(files: dict[str, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files["tls_certificate"]))


async def commit_four_blocks(addresses: Addresses) -> None:
    async with engine_at(addresses, "C38") as engine:
        await engine.handshake()
        for height in range(4):
            notes = [{"n": [height, n]} for n in range(20)]
            await engine.block(
                *(encode(create(ALICE, metadata=note)) for note in notes)
            )


@pytest.mark.parametrize("tail_bytes", [4096, 8 * 1024 * 1024])
async def test_tail_bytes(
    tmp_path: Path, tail_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that comes back gets what is in the tail without a read of the log.

    It is kept as the WebSocket sends it by itself; all other forms are made from the log.
    """
    read: list[object] = []
    frames = LogReader.frames

    async def counted(reader: LogReader, request: PageRequest) -> Frames:
        read.append(request)
        return await frames(reader, request)

    monkeypatch.setattr(LogReader, "frames", counted)
    async with running(settings(tmp_path, tail_bytes=tail_bytes)) as addresses:
        async with open_websocket_url(addresses.stream) as live:
            await commit_four_blocks(addresses)
            for _ in range(80):
                await live.get_message()
        place = host_and_port(addresses.stream)
        async with await trio.open_tcp_stream(*place) as client:
            await client.send_all(request(target=f"{PATH}?from_height=1"))
            data = b""
            while data.count(b"transaction_id") < 80:
                more = await client.receive_some()
                assert more
                data += more
    assert bool(read) == (tail_bytes == 4096)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("door", ["stream", "api"])
async def test_handshake_timeout(
    tmp_path: Path,
    door: str,
    tls: bool,
    files: dict[str, Path],
    mock_clock: MockClock,
) -> None:
    config = settings(tmp_path, handshake_timeout=3, **(files if tls else {}))
    async with still(config, mock_clock) as daemon:
        async with await daemon.connect(door, "" if tls else "GET / HT") as client:
            await daemon.passes(2.5)
            assert not client.socket.is_readable()
            await daemon.passes(1)
            await everything(client)


@pytest.mark.parametrize("tls", [False, True])
async def test_max_handshakes(
    tmp_path: Path, tls: bool, files: dict[str, Path], mock_clock: MockClock
) -> None:
    """Beyond `max_clients`; one client too many is answered before it says anything."""
    config = settings(
        tmp_path, max_clients=2, max_handshakes=16, **(files if tls else {})
    )
    async with still(config, mock_clock) as daemon:
        held = [await daemon.connect("stream") for _ in range(18)]
        await daemon.settle()
        async with await daemon.connect("stream") as late:
            told = await everything(late)
        # Over TLS there is no time for an answer.
        assert told.startswith(b"HTTP/1.1 503 ") != tls
        assert (b"retry-after:" in told.lower()) != tls
        assert all(map(is_open, held))
        for client in held:
            await client.aclose()


async def test_tls_certificate_and_tls_key(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    config = settings(
        tmp_path, tls_certificate=files["tls_certificate"], tls_key=files["tls_key"]
    )
    async with running(config) as addresses:
        assert addresses.stream.startswith("wss://")
        assert addresses.api.startswith("https://")
        for url, first, status in (
            (addresses.stream, request(), b" 101 "),
            (addresses.api, f"GET / {HEAD}\r\n".encode(), b" 200 "),
        ):
            client = await Peer.connect(host_and_port(url)[1], tls=_trusting(files))
            await client.send(first)
            assert status in await client.read_head()
            client.reset()
