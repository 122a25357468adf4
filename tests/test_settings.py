"""Settings of subscribers, in force in the whole daemon at every door for which they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.test_daemon import host_and_port, running, settings
from tests.websocket_peer import PATH
from trio_stream.daemon import Addresses

WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
DOORS = {
    "websocket": ("stream", PATH, WEBSOCKET),
    "events": ("api", PATH, "Accept: text/event-stream\r\n"),
    "pull": ("api", "/api/v1/events", ""),
}
LASTING = ("websocket", "events")


async def ask(
    addresses: Addresses, door: str, *, query: str = "", headers: str = ""
) -> tuple[trio.SocketStream, bytes]:
    """A connection on which a subscriber asked, and the beginning of what it was told."""
    name, path, more = DOORS[door]
    host, port = host_and_port(getattr(addresses, name))
    stream = await trio.open_tcp_stream(host, port)
    request = f"GET {path}{query} HTTP/1.1\r\nHost: a\r\n{more}{headers}\r\n"
    await stream.send_all(request.encode())
    return stream, bytes(await stream.receive_some())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("first", LASTING)
@pytest.mark.parametrize(
    ("name", "status"),
    [("max_clients", b" 503 "), ("max_clients_per_address", b" 429 ")],
)
async def test_limits_of_clients(
    tmp_path: Path, name: str, status: bytes, first: str, door: str
) -> None:
    async with running(settings(tmp_path, **{name: 1})) as addresses:
        held, told = await ask(addresses, first)
        async with held:
            assert b" 101 " in told or b" 200 " in told
            late, told = await ask(addresses, door)
            await late.aclose()
            assert status in told
            assert b"retry-after: 10\r\n" in told.lower()


@pytest.mark.parametrize("door", LASTING)
async def test_trusted_proxies(tmp_path: Path, door: str) -> None:
    config = settings(
        tmp_path, max_clients_per_address=1, trusted_proxies=("127.0.0.1",)
    )
    async with running(config) as addresses:
        streams = []
        for address, good in (("1.1.1.1", True), ("2.2.2.2", True), ("1.1.1.1", False)):
            forwarded = f"X-Forwarded-For: {address}\r\n"
            stream, told = await ask(addresses, door, headers=forwarded)
            streams.append(stream)
            assert (b" 429 " not in told) == good
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("ahead", "is_served"), [(0, False), (1_000, True)])
async def test_resume_ahead(
    tmp_path: Path, door: str, ahead: int, is_served: bool
) -> None:
    async with running(settings(tmp_path, resume_ahead=ahead)) as addresses:
        stream, told = await ask(addresses, door, query="?from_height=500")
        await stream.aclose()
        assert (b'"ahead"' in told or b" 503 " in told or b"refused" in told) != (
            is_served
        )


@pytest.mark.parametrize("door", ["stream", "api"])
async def test_handshake_timeout(tmp_path: Path, door: str) -> None:
    async with running(settings(tmp_path, handshake_timeout=0.1)) as addresses:
        place = host_and_port(getattr(addresses, door))
        async with await trio.open_tcp_stream(*place) as stream:
            await stream.send_all(b"GET / HT")
            while await stream.receive_some():
                pass
