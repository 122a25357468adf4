"""Settings of an orderly stop, each phase of it in force in the whole daemon."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scripts.signing import Key, create, encode
from tests.abci.engine_side import DIALECTS, encode_request
from tests.still_daemon import Still, is_full, is_open, still
from tests.test_daemon import engine_at, settings
from tests.websocket_peer import PATH, request
from trio_stream.abci.messages import Echo

HEAD = "HTTP/1.1\r\nHost: a\r\n"
POST = f"POST /api/v1/transactions {HEAD}Content-Length: "
LARGE = [
    encode(create(Key.from_seed(b"\x01" * 32), metadata={"n": n, "x": "y" * 400_000}))
    for n in range(12)
]
"""More than a socket's buffers hold."""
LONG = 1e6
SUBSCRIBERS = {
    "websocket": ("stream", request(target=PATH + "?detail=full").decode()),
    "plain websocket": ("stream", request().decode()),
    "events": (
        "api",
        f"GET {PATH}?detail=full {HEAD}Accept: text/event-stream\r\n\r\n",
    ),
}


async def subscribed(
    daemon: Still, door: str, *, receive_buffer: int | None = None
) -> trio.SocketStream:
    """A subscriber from now on."""
    client = await daemon.connect(*SUBSCRIBERS[door], receive_buffer=receive_buffer)
    assert await client.receive_some()
    await daemon.settle()
    return client


async def goodbye(client: trio.SocketStream) -> None:
    """Wait for Close 1001."""
    data = b""
    while not data.endswith(b"\x88\x02\x03\xe9"):
        more = await client.receive_some()
        assert more
        data += more


async def send(client: trio.SocketStream, data: bytes) -> None:
    """Send, if it is taken."""
    with suppress(trio.BrokenResourceError):
        await client.send_all(data)


async def test_shutdown_http(tmp_path: Path, mock_clock: MockClock) -> None:
    """How long a request in progress may take before anything else stops."""
    config = settings(
        tmp_path, shutdown_http=5, shutdown_total=LONG, http_body_timeout=LONG
    )
    async with still(config, mock_clock) as daemon:
        posting = await daemon.connect("api", f"{POST}9\r\n\r\n")
        client = await subscribed(daemon, "plain websocket")
        idle = await daemon.connect("api", f"GET /api/v1/ {HEAD}\r\n")
        async with posting, client, idle:
            assert await idle.receive_some()
            await daemon.settle()
            daemon.stop()
            # It is closed in the step in which the phase begins.
            assert not await idle.receive_some()
            await daemon.passes(4.5)
            engine = await daemon.connect("abci")
            await engine.aclose()
            await daemon.passes(1)
            await goodbye(client)
            assert is_open(posting)


async def test_shutdown_abci(tmp_path: Path, mock_clock: MockClock) -> None:
    """How long an engine may take to read its answers."""
    config = settings(tmp_path, shutdown_abci=8, shutdown_total=LONG)
    async with still(config, mock_clock) as daemon:
        client = await subscribed(daemon, "plain websocket")
        idle = await daemon.connect("abci")
        asking = await daemon.connect("abci", receive_buffer=4096)
        async with client, idle, asking, trio.open_nursery() as nursery:
            # No socket's buffer holds the answer.
            echo = encode_request(Echo("x" * 16 * 1024 * 1024), DIALECTS["C38"])
            nursery.start_soon(send, asking, echo)
            await daemon.until(lambda: is_full(asking))
            daemon.stop()
            # What says nothing is closed in the step in which the phase begins.
            assert not await idle.receive_some()
            await daemon.passes(7.5)
            assert is_open(asking) and is_open(client)
            await daemon.passes(1)
            await goodbye(client)
            assert not is_open(asking)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("door", ["websocket", "events"])
async def test_shutdown_stream(
    tmp_path: Path, door: str, mock_clock: MockClock
) -> None:
    """How long a subscriber may take to read what is left for it."""
    config = settings(
        tmp_path, shutdown_stream=8, shutdown_total=LONG, stall_timeout=LONG
    )
    async with still(config, mock_clock) as daemon:
        stalled = await subscribed(daemon, door, receive_buffer=4096)
        client = await subscribed(daemon, "plain websocket")
        async with client, stalled:
            async with engine_at(daemon.addresses, "C38") as engine:
                await engine.handshake()
                await engine.block(*LARGE)
            await daemon.until(lambda: is_full(stalled))
            daemon.stop()
            await goodbye(client)
            await daemon.passes(7.5)
            assert is_open(stalled) and not daemon.ended.is_set()
            await daemon.passes(1)
            while not daemon.ended.is_set():
                # The channel's own end, in a thread, is waited for before that.
                await daemon.passes(8)


async def test_shutdown_total(tmp_path: Path, mock_clock: MockClock) -> None:
    """Then everything ends, whatever the phases say."""
    config = settings(
        tmp_path, shutdown_http=LONG, shutdown_total=5, http_body_timeout=LONG
    )
    async with still(config, mock_clock) as daemon:
        posting = await daemon.connect("api", f"{POST}9\r\n\r\n")
        client = await subscribed(daemon, "plain websocket")
        async with posting, client:
            daemon.stop()
            await daemon.passes(4.5)
            assert is_open(posting) and is_open(client)
            await daemon.passes(1)
            await daemon.ended.wait()
