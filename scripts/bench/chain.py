"""How fast the whole chain is: signed transactions from POST to event, on a real engine.

Signed CREATEs are prepared first, then posted over kept-alive connections in mode async to
a daemon with a validator of its own; the clock runs from the first POST to the last event that a
subscriber gets. The limit is the same engine with its built-in key-value store, posted to in the
same way: what is left of a chain when the application costs nothing. Then single transactions
on the idle chain, from POST to event.
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
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from scripts import child, signing
from scripts.bench import load, report
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.engines import build
from scripts.engines import home as engine_home
from scripts.engines import process as engine_process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import Rpc, RunningEngine

PAUSE = "200ms"
"""Between blocks, while transactions pour in; 1 s is what an engine has by itself. The idle
chain is measured without, so that no POST meets the pause."""
PATIENCE = 60.0


async def whole_chain(
    daemon: RunningDaemon, rpc: Rpc, count: int, connections: int
) -> float:
    """Transactions a second from the first POST to the last event."""
    signer = signing.Key.from_seed(b"\x01" * 32)
    documents = [signing.create(signer, data={"n": n}) for n in range(count)]
    target = "/api/v1/transactions?mode=async"
    requests = [load.post(target, signing.encode(document)) for document in documents]
    missing = {document["id"] for document in documents}
    async with load.subscribed(daemon) as stream, trio.open_nursery() as nursery:
        await at_rest(rpc)
        started = trio.current_time()
        nursery.start_soon(
            load.post_all, daemon.api_port, requests, b" 202 ", connections
        )
        while missing:
            missing.discard(json.loads(await load.next_event(stream))["transaction_id"])
        ended = trio.current_time()
    return count / (ended - started)


async def idle_delays(daemon: RunningDaemon, rpc: Rpc, count: int) -> list[float]:
    """Seconds from POST to event, one transaction at a time on a chain at rest."""
    signer = signing.Key.from_seed(b"\x02" * 32)
    delays = []
    async with load.subscribed(daemon) as stream, load.wire(
        daemon.api_port
    ) as connection:
        for n in range(count):
            raw = signing.encode(signing.create(signer, data={"n": n}))
            await at_rest(rpc)
            started = trio.current_time()
            await connection.send(load.post("/api/v1/transactions?mode=async", raw))
            await load.next_event(stream)
            delays.append(trio.current_time() - started)
            await load.answer(connection)
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


async def engine_alone(
    engine: RunningEngine, count: int, size: int, connections: int
) -> float:
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
        requests.append(load.post("/", json.dumps(call).encode()))

    async def all_stored() -> bool | None:
        info = (await engine.rpc.call("abci_info"))["response"]
        return True if json.loads(info["data"])["size"] >= count else None

    async with trio.open_nursery() as nursery:
        started = trio.current_time()
        nursery.start_soon(
            load.post_all, engine.rpc.port, requests, b'"code":0', connections
        )
        await child.poll(all_stored, seconds=PATIENCE, what="end of the key-value run")
        ended = trio.current_time()
    return count / (ended - started)


def validator(home: Path, proxy_app: str) -> ValidatorHome:
    rpc, p2p = engine_home.free_ports(2)
    settings = {
        ("consensus", "timeout_commit"): PAUSE,
        # The engine's log would cost more than it tells.
        ("", "log_level"): "error",
    }
    return ValidatorHome(home, proxy_app, rpc, p2p, settings)


@asynccontextmanager
async def running(binary: Path, it: ValidatorHome) -> AsyncIterator[RunningEngine]:
    await engine_home.prepare(binary, it)
    async with engine_process.run_engine(binary, it) as engine:
        yield engine


def cpu_seconds(process: child.Child) -> float:
    """What a process has used so far, in its own code and in the system."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Figures:
    chain: float = 0
    alone: float = 0
    delays: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds that each process used during the run of the whole chain."""


async def measure(name: str, count: int, connections: int, singles: int) -> Figures:
    figures = Figures()
    binary = await engine_process.find_binary(name)
    size = len(signing.encode(signing.create(signing.Key.from_seed(bytes(32)))))
    with tempfile.TemporaryDirectory(prefix="trio_stream_bench_") as folder:
        place = Path(folder)
        async with running(binary, validator(place / "alone", "kvstore")) as engine:
            figures.alone = await engine_alone(engine, count, size, connections)
        (port,) = engine_home.free_ports(1)
        ours = validator(place / "ours", f"tcp://127.0.0.1:{port}")
        node = f"http://127.0.0.1:{ours.rpc_port}"
        settings = Settings(home=place / "daemon", abci=ours.proxy_app, node=node)
        async with run_daemon(settings) as daemon:
            async with running(binary, replace(ours, settings={})) as engine:
                figures.delays = await idle_delays(daemon, engine.rpc, singles)
            async with running(binary, ours) as engine:
                processes = {"daemon": daemon, "engine": engine}
                before = {name: cpu_seconds(each) for name, each in processes.items()}
                figures.chain = await whole_chain(
                    daemon, engine.rpc, count, connections
                )
                for name, each in processes.items():
                    figures.cpu[name] = cpu_seconds(each) - before[name]
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.chain")
    parser.add_argument("--engine", default=os.environ.get("ENGINE") or build.DEFAULT)
    parser.add_argument("--count", type=int, default=5000, help="transactions")
    parser.add_argument(
        "--connections", type=int, default=load.CONNECTIONS, help="that post"
    )
    parser.add_argument("--singles", type=int, default=40, help="on the idle chain")
    options = parser.parse_args(arguments)
    figures = trio.run(
        measure, options.engine, options.count, options.connections, options.singles
    )
    print(report.machine())
    print(tables(figures, options.engine, options.count, options.connections))
    return 0


def tables(figures: Figures, engine: str, count: int, connections: int) -> str:
    chain = report.number(figures.chain)
    alone = report.number(figures.alone)
    speed = report.table(
        f"The whole chain: {count:,} CREATEs over {connections} connections, {engine},"
        f" {PAUSE} between blocks",
        ["", "tx/s", "of the engine alone"],
        [
            ["from the first POST to the last event", chain]
            + [report.ratio(figures.chain, figures.alone)],
            ["the engine alone, its key-value store", alone, "1.00x"],
        ],
    )
    used = report.table(
        "Processor time on the way",
        ["", "ms/tx"],
        [[name, report.number(1000 * s / count)] for name, s in figures.cpu.items()],
    )
    milliseconds = sorted(delay * 1000 for delay in figures.delays)
    worst = milliseconds[int(len(milliseconds) * 0.95)]
    idle = report.table(
        "From POST to event on an idle chain",
        ["", "ms"],
        [
            ["median", report.number(statistics.median(milliseconds))],
            ["95 of 100 within", report.number(worst)],
        ],
    )
    return "\n\n".join([speed, used, idle])


if __name__ == "__main__":
    sys.exit(main())
