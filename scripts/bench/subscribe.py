"""How fast blocks reach many subscribers: the daemon's stream beside the engine's `subscribe`.

    python -m scripts.bench.subscribe [--engine NAME] [--clients N] [--events N ...] [--rounds N]

One chain, CometBFT 0.38 by default, with our daemon as its application. In turn so many clients
subscribe to `tm.event='Tx'` at the engine's RPC, or to the daemon's stream, from a process of their
own; then blocks of one event and of more are made, while nothing else happens. Figures are
deliveries (events times clients) a second, from a block's first delivery to its last one, the best
of some rounds; and what did not come, and how many clients were cut or told that nothing more will.
The limit beside them is a bare loop of sends to as many clients, after a rest. With the others some
more clients stall: they read on when the rest have the block, if they are let.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import trio

from scripts import child, signing
from scripts.bench import fanout_senders, load, report
from scripts.bench.chain import at_rest, running
from scripts.daemon_process import Settings, run_daemon
from scripts.engines import home as engine_home
from scripts.engines import process as engine_process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import Rpc

ACCEPTING = 60.0
"""Seconds in which the receivers have to connect to the bare loop."""
REST = 2.0
"""Seconds before the bare loop sends, as there are before the engine makes a block."""


class Step(NamedTuple):
    """What one block's delivery came to."""

    events: int
    first: float
    last: float
    came: int
    gone: int
    stalled_came: int
    stalled_gone: int

    @property
    def rate(self) -> float:
        return self.came / (self.last - self.first) if self.last > self.first else 0.0


def calls(signer: signing.Key) -> Iterator[bytes]:
    """Requests that post one new transaction each to the engine."""
    for n in itertools.count():
        raw = signing.encode(signing.create(signer, data={"n": n}))
        call = {
            "jsonrpc": "2.0",
            "id": "1",
            "method": "broadcast_tx_sync",
            "params": {"tx": base64.b64encode(raw).decode()},
        }
        yield load.post("/", json.dumps(call).encode())


class EventSource(Protocol):
    """Makes the blocks that subscribers get."""

    async def make(self, events: int) -> None:
        """Make one block of so many events, when nothing else has happened for a while."""

    async def check(self, events: int) -> None:
        """Raise RuntimeError unless it was one block."""


class ChainSource(EventSource):
    """The engine, which makes a block of what is posted."""

    def __init__(self, rpc: Rpc, requests: Iterator[bytes]) -> None:
        self._rpc = rpc
        self._requests = requests

    async def make(self, events: int) -> None:
        if events == 1:  # made at once, others after the pause
            await at_rest(self._rpc)
        some = list(itertools.islice(self._requests, events))
        await load.post_all(self._rpc.port, some, b'"code":0')

    async def check(self, events: int) -> None:
        tip = await self._rpc.height()
        newest = range(max(tip - 2, 1), tip + 1)
        counts = [len(await self._rpc.transactions(height)) for height in newest]
        if events not in counts:
            raise RuntimeError(f"{events} transactions came in blocks of {counts}")


class BareSource(EventSource):
    """A loop of sends, without a daemon or an engine."""

    def __init__(self) -> None:
        self.clients: list[socket.socket] = []

    async def accept(self, listener: socket.socket, count: int) -> None:
        accept = partial(fanout_senders.accept_clients, listener, count)
        self.clients = await trio.to_thread.run_sync(accept)

    async def make(self, events: int) -> None:
        await trio.sleep(REST)
        (block,) = fanout_senders.make_blocks(1, events)
        send = partial(fanout_senders.send_bare, self.clients, block)
        await trio.to_thread.run_sync(send)

    async def check(self, events: int) -> None:
        pass


async def deliver(
    kind: str, port: int, source: EventSource, given: argparse.Namespace, stalled: int
) -> list[Step]:
    """Subscribe so many clients; before each larger block there is one of a single event."""
    wanted = [each for events in given.events for each in (1, events)]
    told, lines = trio.open_memory_channel[str](len(wanted) + 1)
    receivers = [sys.executable, "-m", "scripts.bench.subscribe_receivers", kind]
    numbers = map(str, (port, given.clients, stalled, *wanted))
    steps = []
    async with child.open_nursery() as nursery:
        process = await child.start(
            nursery,
            "receivers",
            [*receivers, *numbers],
            log=given.folder / "receivers.log",
            environment=child.environment({}),
            on_line=told.send_nowait,
        )
        line = partial(child.while_alive, process, lines.receive)
        if (said := await line()) != "ready":
            raise RuntimeError(f"the receivers said {said}")
        for events in wanted:
            await source.make(events)
            readers, (_, _, *rest) = json.loads(await line())
            await source.check(events)
            steps.append(Step(events, *readers, *rest))
    return steps


async def deliver_bare(given: argparse.Namespace) -> list[Step]:
    """The same from a bare loop of sends."""
    source = BareSource()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.settimeout(ACCEPTING)
        port = listener.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.accept, listener, given.clients)
            steps = await deliver("bare", port, source, given, 0)
    for client in source.clients:
        client.close()
    return steps


def validator(home: Path, proxy_app: str, given: argparse.Namespace) -> ValidatorHome:
    rpc, p2p = engine_home.free_ports(2)
    clients = given.clients + given.stalled
    settings: dict[engine_home.Key, engine_home.Value] = {
        ("consensus", "timeout_commit"): given.pause,
        ("rpc", "max_open_connections"): clients + 100,
        ("rpc", "max_subscription_clients"): clients + 100,
        ("", "log_level"): "error",
    }
    return ValidatorHome(home, proxy_app, rpc, p2p, settings)


async def measure(given: argparse.Namespace) -> dict[str, list[Step]]:
    """The steps of all rounds, for each kind of subscription."""
    found: dict[str, list[Step]] = {"daemon": [], "engine": [], "bare": []}
    binary = await engine_process.find_binary(given.engine)
    (port,) = engine_home.free_ports(1)
    app = f"tcp://127.0.0.1:{port}"
    it = validator(given.folder / "engine", app, given)
    node = f"http://127.0.0.1:{it.rpc_port}"
    settings = Settings(home=given.folder / "daemon", abci=app, node=node)
    requests = calls(signing.Key.from_seed(b"\x01" * 32))
    async with run_daemon(settings) as daemon, running(binary, it) as engine:
        ports = {
            "daemon": urlsplit(daemon.stream).port or 80,
            "engine": engine.rpc.port,
        }
        chain = ChainSource(engine.rpc, requests)
        for _ in range(given.rounds):
            for kind, port in ports.items():
                found[kind] += await deliver(kind, port, chain, given, given.stalled)
            found["bare"] += await deliver_bare(given)
    return found


def row(
    given: argparse.Namespace, events: int, found: dict[str, list[Step]]
) -> list[str]:
    sides = [[step for step in found[kind] if step.events == events] for kind in found]
    rates = [max(step.rate for step in steps) for steps in sides]
    cells = [f"{given.clients:,} x {events}", *map(report.number, rates)]
    ours, engine, bare = rates
    cells += [report.ratio(ours, engine), report.ratio(ours, bare)]
    for steps in sides[:2]:
        wanted = len(steps) * events * given.clients
        lost = wanted - sum(step.came for step in steps)
        cells.append(f"{lost:,}; {max(step.gone for step in steps):,}")
        wanted = len(steps) * events * given.stalled
        lost = wanted - sum(step.stalled_came for step in steps)
        cells.append(f"{lost:,}; {max(step.stalled_gone for step in steps):,}")
    return cells


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.subscribe")
    parser.add_argument("--engine", default="cometbft-0.38.26")
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--stalled", type=int, default=20, help="more that stall")
    parser.add_argument(
        "--events", type=int, nargs="+", default=[100, 500], help="in the larger blocks"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--pause", default="2s", help="after a block, in which the next is posted"
    )
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with tempfile.TemporaryDirectory(prefix="trio_stream_bench_") as folder:
        given.folder = Path(folder)
        found = trio.run(measure, given)
    rows = [row(given, events, found) for events in (1, *given.events)]
    head = [
        "clients x events",
        "ours",
        "the engine's",
        "a bare loop",
        "ratio",
        "of bare",
    ]
    for whose in ("ours", "the engine's"):
        head += [f"{whose}: lost; cut", "of those who stall"]
    print(report.machine())
    print(report.table(f"deliveries a second, {given.engine}", head, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
