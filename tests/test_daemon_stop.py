"""An orderly stop, whatever the clients of any door do or fail to do."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scripts.signing import Key, create, encode
from tests.test_daemon import DEADLINE, engine_at, host_and_port, settings
from trio_stream import daemon
from trio_stream.node import Addresses

ALICE = Key.from_seed(b"\x01" * 32)
# The kernel buffers only a small part of these events for a client that does not read.
LONG = [create(ALICE, metadata={"n": n, "x": "y" * 40_000}) for n in range(100)]
STREAM = "/api/v1/streams/valid_transactions?after=earliest&detail=full"
UPGRADE = (
    f"GET {STREAM} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
EVENTS = f"GET {STREAM} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"
POST = "POST /api/v1/transactions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
REQUESTS = {
    "stream": [UPGRADE, UPGRADE[:40], ""],
    "api": [
        UPGRADE,
        EVENTS,
        EVENTS.replace("1.1", "1.0"),
        EVENTS.replace("Accept", "Connection: close\r\nAccept"),
        "GET /api/v1/blocks/1 HTTP/1.1\r\nHost: a\r\n\r\n",
        POST,
        POST.replace("Content-Length: 9", "Transfer-Encoding: chunked"),
        EVENTS[:40],
        "",
    ],
}


@pytest.mark.parametrize("total", [0.3, 10 * DEADLINE])
async def test_clients_that_read_and_send_nothing_do_not_hold_it_up(
    tmp_path: Path, total: float
) -> None:
    """Neither a phase nor the whole takes longer than the settings say."""
    ages = DEADLINE * 100
    phases = {f"shutdown_{name}": total / 3 for name in ("http", "abci", "stream")}
    if total > DEADLINE:
        phases = dict.fromkeys(phases, 0.1)
    config = settings(
        tmp_path,
        send_buffer=4096,
        stall_timeout=ages,
        handshake_timeout=ages,
        http_body_timeout=ages,
        shutdown_total=total,
        **phases,
    )
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(partial(daemon.run, config))
            async with engine_at(addresses, "C38") as engine:
                await engine.handshake()
                await engine.block(*map(encode, LONG))
            opened = []
            for door, requests in REQUESTS.items():
                for request in requests:
                    place = host_and_port(getattr(addresses, door))
                    opened.append(await trio.open_tcp_stream(*place))
                    await opened[-1].send_all(request.encode())
            await wait_all_tasks_blocked(0.1)
            signal.raise_signal(signal.SIGTERM)
    for stream in opened:
        await stream.aclose()
