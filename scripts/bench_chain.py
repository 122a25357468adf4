"""How fast the whole chain is: signed transactions from POST to event, on a real engine.

Signed CREATEs are prepared first, then posted over eight kept-alive connections in mode async to
a daemon with a validator of its own; the clock runs from the first POST to the last event that a
subscriber gets. The limit is the same engine with its built-in key-value store, posted to in the
same way: what is left of a chain when the application costs nothing. Then single transactions
on the idle chain, from POST to event.

Posting and counting are done by hand on raw streams: they share this machine's cores with what
is measured.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import trio

from scripts import child, engine_home, engine_process, engines, report, signing
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.engine_home import Validator
from scripts.engine_process import Rpc, RunningEngine

CONNECTIONS = 8
PATIENCE = 60.0


class Wire:
    """A stream that is read line-free: so many bytes, or up to a mark."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            await self._more()
        return self._take(at + len(mark))

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more()
        return self._take(count)

    async def _more(self) -> None:
        data = await self._stream.receive_some(65536)
        if not data:
            raise trio.BrokenResourceError("closed in the middle of a benchmark")
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Wire(stream)


def post(target: str, body: bytes) -> bytes:
    head = (
        f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(connection: Wire) -> bytes:
    """The status line and body of the next answer, which has to have a Content-Length."""
    head = (await connection.until(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return head.split(b"\r\n")[0] + b"\n" + await connection.exactly(length)


async def post_all(port: int, requests: Sequence[bytes], good: bytes) -> None:
    """Post over CONNECTIONS kept-alive connections, each waiting for its answers."""

    async def one(share: Sequence[bytes]) -> None:
        async with wire(port) as connection:
            for request in share:
                await connection.send(request)
                said = await answer(connection)
                if good not in said:
                    raise RuntimeError(f"not accepted: {said!r}")

    async with trio.open_nursery() as nursery:
        for start in range(CONNECTIONS):
            nursery.start_soon(one, requests[start::CONNECTIONS])


@asynccontextmanager
async def subscribed(daemon: RunningDaemon) -> AsyncIterator[Wire]:
    """A subscriber's connection, its handshake done."""
    address = urlsplit(daemon.stream)
    async with wire(address.port or 80) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        await connection.send(
            f"GET {address.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await connection.until(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(f"not subscribed: {head!r}")
        yield connection


async def next_event(connection: Wire) -> bytes:
    """The text of the next event; other frames are passed over."""
    while True:
        kind, length = await connection.exactly(2)
        if length == 126:
            length = int.from_bytes(await connection.exactly(2))
        payload = await connection.exactly(length)
        if kind == 0x81:
            return payload
        if kind == 0x88:
            raise RuntimeError("the daemon closed the stream")


async def whole_chain(daemon: RunningDaemon, rpc: Rpc, count: int) -> float:
    """Transactions a second from the first POST to the last event."""
    signer = signing.Key.from_seed(b"\x01" * 32)
    documents = [signing.create(signer, data={"n": n}) for n in range(count)]
    target = "/api/v1/transactions?mode=async"
    requests = [post(target, signing.encode(document)) for document in documents]
    missing = {document["id"] for document in documents}
    async with subscribed(daemon) as stream, trio.open_nursery() as nursery:
        await at_rest(rpc)
        started = trio.current_time()
        nursery.start_soon(post_all, daemon.api_port, requests, b" 202 ")
        while missing:
            missing.discard(json.loads(await next_event(stream))["transaction_id"])
        ended = trio.current_time()
    return count / (ended - started)


async def idle_delays(daemon: RunningDaemon, rpc: Rpc, count: int) -> list[float]:
    """Seconds from POST to event, one transaction at a time on a chain at rest."""
    signer = signing.Key.from_seed(b"\x02" * 32)
    delays = []
    async with subscribed(daemon) as stream, wire(daemon.api_port) as connection:
        for n in range(count):
            raw = signing.encode(signing.create(signer, data={"n": n}))
            await at_rest(rpc)
            started = trio.current_time()
            await connection.send(post("/api/v1/transactions?mode=async", raw))
            await next_event(stream)
            delays.append(trio.current_time() - started)
            await answer(connection)
    return delays


async def at_rest(rpc: Rpc) -> None:
    """Wait until the engine has signed its last app hash and makes no more blocks."""

    async def signed() -> bool | None:
        sync = (await rpc.call("status"))["sync_info"]
        ours = (
            int(sync["latest_block_height"]),
            bytes.fromhex(sync["latest_app_hash"]),
        )
        return True if ours[0] and ours == await rpc.application() else None

    await child.poll(signed, seconds=PATIENCE, what="rest of the chain")


async def engine_alone(engine: RunningEngine, count: int, size: int) -> float:
    """Transactions a second through the engine's own key-value store."""
    requests = []
    for n in range(count):
        raw = f"{n}=".encode().ljust(size, b"x")
        params = {"tx": base64.b64encode(raw).decode()}
        call = {
            "jsonrpc": "2.0",
            "id": "1",
            "method": "broadcast_tx_async",
            "params": params,
        }
        requests.append(post("/", json.dumps(call).encode()))

    async def all_stored() -> bool | None:
        info = (await engine.rpc.call("abci_info"))["response"]
        return True if json.loads(info["data"])["size"] >= count else None

    async with trio.open_nursery() as nursery:
        started = trio.current_time()
        nursery.start_soon(post_all, engine.rpc.port, requests, b'"code":0')
        await child.poll(all_stored, seconds=PATIENCE, what="end of the key-value run")
        ended = trio.current_time()
    return count / (ended - started)


def validator(home: Path, proxy_app: str) -> Validator:
    rpc, p2p = engine_home.free_ports(2)
    # The log of both would cost more than it tells.
    return Validator(home, proxy_app, rpc, p2p, {("", "log_level"): "error"})


async def measure(
    engine: str, count: int, singles: int
) -> tuple[float, float, list[float]]:
    binary = await engine_process.find_binary(engine)
    with tempfile.TemporaryDirectory(prefix="trio_stream_bench_") as folder:
        place = Path(folder)
        alone = validator(place / "alone", "kvstore")
        await engine_home.prepare(binary, alone)
        async with engine_process.run_engine(binary, alone) as running:
            size = len(signing.encode(signing.create(signing.Key.from_seed(bytes(32)))))
            limit = await engine_alone(running, count, size)
        (port,) = engine_home.free_ports(1)
        ours = validator(place / "ours", f"tcp://127.0.0.1:{port}")
        await engine_home.prepare(binary, ours)
        settings = Settings(
            home=place / "daemon",
            abci=ours.proxy_app,
            node=f"http://127.0.0.1:{ours.rpc_port}",
        )
        async with run_daemon(settings) as daemon:
            async with engine_process.run_engine(binary, ours) as running:
                delays = await idle_delays(daemon, running.rpc, singles)
                chain = await whole_chain(daemon, running.rpc, count)
    return chain, limit, delays


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_chain")
    parser.add_argument("--engine", default=os.environ.get("ENGINE") or engines.DEFAULT)
    parser.add_argument("--count", type=int, default=5000, help="transactions")
    parser.add_argument("--singles", type=int, default=40, help="on the idle chain")
    options = parser.parse_args(arguments)
    chain, limit, delays = trio.run(
        measure, options.engine, options.count, options.singles
    )
    print(report.machine())
    rows = [
        [
            "POST to event, whole chain",
            report.number(chain),
            report.ratio(chain, limit),
        ],
        ["engine alone, key-value store", report.number(limit), "1.00x"],
    ]
    title = f"The whole chain: {options.count:,} CREATEs, {options.engine}"
    print(report.table(title, ["", "tx/s", "of the engine alone"], rows))
    milliseconds = sorted(delay * 1000 for delay in delays)
    worst = milliseconds[int(len(milliseconds) * 0.95)]
    rows = [[report.number(statistics.median(milliseconds)), report.number(worst)]]
    print()
    print(report.table("POST to event on an idle chain", ["median ms", "95% ms"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
