"""Settings of the HTTP door, in force in the whole daemon.

Plain requests are answered in front of hypercorn, and all others by it; what is said of a body
or an answer is seen on both ways.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scripts.signing import Key, create, encode
from tests.still_daemon import Still, everything, is_open, still
from tests.stub_rpc import StubRpc
from tests.test_daemon import settings
from tests.websocket_peer import PATH

HEAD = "HTTP/1.1\r\nHost: a\r\n"
GET = f"GET /api/v1/ {HEAD}\r\n"
EVENTS = f"GET {PATH} {HEAD}Accept: text/event-stream\r\n\r\n"
POST = f"POST /api/v1/transactions {HEAD}"
WAYS = {
    "front": (POST + "Content-Length: {size}\r\n\r\n", "{body}"),
    "hypercorn": (POST + "Transfer-Encoding: chunked\r\n\r\n", "{size:x}\r\n{body}"),
    "announced": (
        POST + "Connection: close\r\nContent-Length: {size}\r\n\r\n",
        "{body}",
    ),
}
"""A head and a body, which may be begun only."""


def beginning(way: str, size: int, count: int) -> str:
    """A request with a body of this size, cut off after the given number of characters."""
    head, body = (part.format(size=size, body="z" * count) for part in WAYS[way])
    return head + body


async def answer(stream: trio.SocketStream) -> bytes:
    """The beginning of what comes."""
    return bytes(await stream.receive_some())


async def close(*streams: trio.SocketStream) -> None:
    for stream in streams:
        await stream.aclose()


async def test_http_connections(tmp_path: Path, mock_clock: MockClock) -> None:
    async with still(settings(tmp_path, http_connections=16), mock_clock) as daemon:
        held = [await daemon.connect("api") for _ in range(16)]
        await daemon.settle()
        async with await daemon.connect("api", GET) as late:
            told = await everything(late)
            assert b" 503 " in told and b"\r\nretry-after: " in told
        # A connection that has waited for a while gives way.
        await daemon.passes(2)
        async with await daemon.connect("api", GET) as late:
            assert b" 200 " in await answer(late)
        await daemon.settle()
        assert sum(map(is_open, held)) == 15
        await close(*held)


async def test_subscribers_are_three_quarters_of_http_connections(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with still(settings(tmp_path, http_connections=16), mock_clock) as daemon:
        held = []
        for _ in range(12):
            held.append(await daemon.connect("api", EVENTS))
            assert b" 200 " in await answer(held[-1])
        for target in (EVENTS, f"GET /api/v1/events {HEAD}\r\n"):
            async with await daemon.connect("api", target) as late:
                told = await answer(late)
                assert b" 503 " in told and b"\r\nretry-after: " in told
        async with await daemon.connect("api", GET) as other:
            assert b" 200 " in await answer(other)
        await close(*held)


@pytest.mark.parametrize("trusted_proxies", [(), ("127.0.0.0/8",)])
async def test_http_connections_per_address(
    tmp_path: Path, trusted_proxies: tuple[str, ...], mock_clock: MockClock
) -> None:
    config = settings(
        tmp_path, http_connections_per_address=2, trusted_proxies=trusted_proxies
    )
    async with still(config, mock_clock) as daemon:
        held = [await daemon.connect("api") for _ in range(2)]
        await daemon.settle()
        async with await daemon.connect("api", GET) as late:
            told = await answer(late)
            assert (b" 429 " in told) != bool(trusted_proxies)
            assert (b"\r\nretry-after: " in told) != bool(trusted_proxies)
        await close(*held)


@pytest.mark.parametrize(
    "asked", ["", GET, f"GET / {HEAD}\r\n"], ids=["nothing", "front", "hypercorn"]
)
async def test_http_keep_alive(
    tmp_path: Path, asked: str, mock_clock: MockClock
) -> None:
    async with still(settings(tmp_path, http_keep_alive=3), mock_clock) as daemon:
        async with await daemon.connect("api", asked) as client:
            if asked:
                assert b" 200 " in await answer(client)
            await daemon.passes(2.5)
            assert not client.socket.is_readable()
            await daemon.passes(1)
            assert b" 408 " not in await everything(client)


@pytest.mark.parametrize("way", WAYS)
async def test_http_body_timeout(
    tmp_path: Path, way: str, mock_clock: MockClock
) -> None:
    async with still(settings(tmp_path, http_body_timeout=3), mock_clock) as daemon:
        async with await daemon.connect("api", beginning(way, 100, 9)) as client:
            await daemon.passes(2.5)
            assert not client.socket.is_readable()
            await daemon.passes(1)
            assert b" 408 " in await everything(client)


@pytest.mark.parametrize("way", WAYS)
async def test_http_body_rate(tmp_path: Path, way: str, mock_clock: MockClock) -> None:
    config = settings(tmp_path, http_body_timeout=3, http_body_rate=100)
    async with still(config, mock_clock) as daemon:
        async with await daemon.connect("api", beginning(way, 1_000, 9)) as client:
            # So that it comes as a piece of its own.
            await daemon.settle()
            await client.send_all(b"z" * 500)
            await daemon.passes(2.5)
            await daemon.passes(5)
            assert not client.socket.is_readable()
            await daemon.passes(1.5)
            assert b" 408 " in await everything(client)


@pytest.mark.parametrize("way", WAYS)
async def test_http_bytes_under_way(
    tmp_path: Path, way: str, mock_clock: MockClock
) -> None:
    size = 1024 * 1024
    config = settings(
        tmp_path, http_bytes_under_way=size, max_body_bytes=size, http_body_timeout=3600
    )
    async with still(config, mock_clock) as daemon:
        clients = [await daemon.connect("api") for _ in range(2)]
        told: list[bytes] = []
        async with trio.open_nursery() as nursery:
            for client in clients:
                data = beginning(way, size, 600_000)
                nursery.start_soon(_send_and_read, client, data, told)
            for _ in range(30):
                await daemon.passes(1)
                if told:
                    break
            await daemon.until(lambda: told)
            nursery.cancel_scope.cancel()
        assert b" 503 " in told[0] and b"Too much is under way" in told[0]
        await close(*clients)


async def _send_and_read(
    client: trio.SocketStream, data: str, told: list[bytes]
) -> None:
    try:
        await client.send_all(data.encode())
    except trio.BrokenResourceError:  # answered before it has all come
        pass
    told.append(await everything(client))


@pytest.mark.parametrize("way", WAYS)
async def test_max_body_bytes(tmp_path: Path, way: str, mock_clock: MockClock) -> None:
    async with still(settings(tmp_path, max_body_bytes=1024), mock_clock) as daemon:
        for size, status in ((1024, b" 400 "), (1025, b" 413 ")):
            end = "\r\n0\r\n\r\n" if way == "hypercorn" else ""
            whole = beginning(way, size, size) + end
            async with await daemon.connect("api", whole) as client:
                assert status in await answer(client)


async def test_commit_timeout(tmp_path: Path, mock_clock: MockClock) -> None:
    async with StubRpc().serving() as rpc:
        config = settings(tmp_path, node=rpc.url, commit_timeout=3)
        async with still(config, mock_clock) as daemon:
            async with await _post(daemon, "commit") as client:
                await rpc.asked.wait()
                told: list[bytes] = []
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_append_answer, client, told)
                    await daemon.passes(2.5)
                    assert not told
                    await daemon.passes(1)
                assert b" 500 " in told[0] and b"Timed out waiting for tx" in told[0]


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_node_timeout(tmp_path: Path, mode: str, mock_clock: MockClock) -> None:
    async with StubRpc().serving() as rpc:
        rpc.hold = trio.Event()
        config = settings(tmp_path, node=rpc.url, node_timeout=3)
        async with still(config, mock_clock) as daemon:
            async with await _post(daemon, mode) as client:
                await rpc.asked.wait()
                told: list[bytes] = []
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_append_answer, client, told)
                    await daemon.passes(2.5)
                    assert not told
                    await daemon.passes(1)
                assert b" 503 " in told[0] and b"did not answer in time" in told[0]


@pytest.mark.parametrize("mode", ["async", "sync", "commit"])
async def test_node_connections(
    tmp_path: Path, mode: str, mock_clock: MockClock
) -> None:
    async with StubRpc().serving() as rpc:
        rpc.hold = trio.Event()
        # Half of them are for callers that wait for a verdict.
        most = 4 if mode == "async" else 2
        config = settings(
            tmp_path, node=rpc.url, node_connections=most, node_timeout=3600
        )
        async with still(config, mock_clock) as daemon:
            clients: list[trio.SocketStream] = []
            while len(clients) < 5 or rpc.most_at_once < 2:
                clients.append(await _post(daemon, mode, len(clients)))
                # Concurrent ones would share a request.
                await daemon.passes(0.1)
            rpc.hold.set()
            await daemon.until(lambda: len(rpc.calls) == len(clients))
            assert rpc.most_at_once == 2
            await close(*clients)


async def _post(daemon: Still, mode: str, number: int = 0) -> trio.SocketStream:
    body = encode(create(Key.from_seed(b"\x01" * 32), metadata={"n": number}))
    head = POST.replace(" HTTP", f"?mode={mode} HTTP")
    return await daemon.connect(
        "api", f"{head}Content-Length: {len(body)}\r\n\r\n{body.decode()}"
    )


async def _append_answer(client: trio.SocketStream, told: list[bytes]) -> None:
    told.append(await answer(client))
