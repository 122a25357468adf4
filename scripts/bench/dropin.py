"""How fast transactions reach many subscribers with queries: a follower beside the engine itself.

    python -m scripts.bench.dropin [--mix all|watchers] [--clients N] [--rounds N] [--seconds N]

One chain of CometBFT's own key-value store. In turn 1,000 clients with 200 different queries, from
a process of their own, subscribe at the engine's `/websocket`, at a follower's `/websocket` with
the very same frames (`dropin`), and at its stream of transactions with the same queries (`native`);
the follower runs only when it is measured. With the mix `all` each query holds of each transaction
(`tx.height` below something, alone or with `app.creator`, `app.index_key` or `app.key EXISTS`).
With `watchers` 100 queries ask for one account each (`app.key =`, one of 100 transactions), 40 for
a tenth of them (`app.key CONTAINS`), and 60 for all. All say `tm.event='Tx'` besides. Ids of
calls differ between clients, so no two get the same bytes through either `/websocket`.

First at rest, some rounds: a block of one transaction, and one of 100 in the pause after it. The
rate is that of deliveries in the latter, from the first to the last; the best round counts, and
beside it is a bare loop of sends of as many bytes. Then for some seconds 100 transactions at a
time, each hundred as soon as there is a block after the one before: the engine pauses for a second
in between (`--pause`), and it makes few blocks while it serves subscribers of its own. What has
come by the end of that time is compared, `hundreds` is what was made in it. In the end nothing may
be missing: each client must have what its query says. Who is told by the engine that its
subscription is cancelled stays so.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import trio

from scripts import child
from scripts.bench import report
from scripts.bench.chain import running
from scripts.bench.dropin_queries import MIXES, owed
from scripts.bench.dropin_receivers import (
    HUNDRED,
    OPENING,
    THE_REST,
    Came,
)
from scripts.bench.dropin_sources import BareSource, ChainSource
from scripts.daemon_process import run_daemon
from scripts.engines import home as engine_home
from scripts.engines import process as engine_process
from scripts.engines.home import ValidatorHome
from scripts.follower_process import FollowerSettings

OURS = ("dropin", "native")
ACCEPTING = 60.0
"""Seconds in which the receivers have to connect to the bare loop."""


class Phase(NamedTuple):
    """What one way of subscribing came to."""

    rounds: list[Came]
    """Blocks of a hundred, at rest."""
    bare: list[Came]
    steady: Came
    """While hundreds were made."""
    hundreds: int
    """How many."""
    short: int
    """Messages that clients are owed in the end and have not got."""
    surplus: int
    gone: int


class Receivers:
    """The process with the clients."""

    def __init__(
        self, process: child.Child, lines: trio.MemoryReceiveChannel[str]
    ) -> None:
        self._line = partial(child.while_alive, process, lines.receive)

    async def ready(self) -> None:
        if (said := await self._line()) != "ready":
            raise RuntimeError(f"the receivers said {said}")

    async def came(self) -> Came:
        return Came(*json.loads(await self._line()))


@asynccontextmanager
async def receiving(
    kind: str, port: int, given: argparse.Namespace, steps: Sequence[str]
) -> AsyncIterator[Receivers]:
    """All clients, subscribed, as long as the block runs."""
    told, lines = trio.open_memory_channel[str](len(steps) + 1)
    program = [sys.executable, "-m", "scripts.bench.dropin_receivers", kind]
    async with child.open_nursery() as nursery:
        process = await child.start(
            nursery,
            "receivers",
            [*program, str(port), str(given.clients), given.mix, *steps],
            log=given.folder / "receivers.log",
            environment=child.environment({}),
            on_line=told.send_nowait,
        )
        receivers = Receivers(process, lines)
        await receivers.ready()
        yield receivers


async def measured(
    kind: str, port: int, given: argparse.Namespace, *, source: ChainSource
) -> Phase:
    """One way of subscribing, and then the bare loop."""
    steps = [OPENING, HUNDRED] * given.rounds
    steps += [str(given.seconds), THE_REST]
    rounds = []
    async with receiving(kind, port, given, steps) as receivers:
        for _ in range(given.rounds):
            await source.one()
            await receivers.came()
            await source.hundred()
            rounds.append(await receivers.came())
            await source.check()
        async with trio.open_nursery() as nursery:
            source.made = 0
            stop = trio.Event()
            nursery.start_soon(source.hundreds, stop)
            steady = await receivers.came()
            stop.set()
        end = await receivers.came()
    due = owed(given.mix, given.clients, given.rounds, given.rounds + source.made)
    missing = [most - count for most, count in zip(due, end.each)]
    bare = []
    if rounds:
        size = rounds[0].size // max(1, rounds[0].messages)
        bare = await measured_bare(given, size)
    return Phase(
        rounds,
        bare,
        steady,
        source.made,
        short=sum(each for each in missing if each > 0),
        surplus=-sum(each for each in missing if each < 0),
        gone=end.gone,
    )


async def measured_bare(given: argparse.Namespace, size: int) -> list[Came]:
    """Blocks of a hundred from a bare loop of sends."""
    source = BareSource(given.clients, given.mix, size)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.settimeout(ACCEPTING)
        port = listener.getsockname()[1]
        steps = [HUNDRED] * given.rounds
        found = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.accept, listener)
            async with receiving("bare", port, given, steps) as receivers:
                for _ in steps:
                    await source.hundred()
                    found.append(await receivers.came())
    for client in source.clients:
        client.close()
    return found


def validator(given: argparse.Namespace) -> ValidatorHome:
    """With the engine's own settings, but for the number of clients."""
    rpc, p2p = engine_home.free_ports(2)
    settings: dict[engine_home.Key, engine_home.Value] = {
        ("consensus", "timeout_commit"): given.pause,
        ("rpc", "max_open_connections"): given.clients + 100,
        ("rpc", "max_subscription_clients"): given.clients + 100,
        ("", "log_level"): "error",
    }
    return ValidatorHome(given.folder / "engine", "kvstore", rpc, p2p, settings)


async def measure(given: argparse.Namespace) -> dict[str, Phase]:
    """All phases, by kind."""
    found: dict[str, Phase] = {}
    binary = await engine_process.find_binary(given.engine)
    async with running(binary, validator(given)) as engine:
        phase = partial(measured, given=given, source=ChainSource(engine.rpc))
        found["engine"] = await phase("engine", engine.rpc.port)
        follower = FollowerSettings(
            home=given.folder / "follower",
            node=[f"http://127.0.0.1:{engine.rpc.port}"],
            start="tip",
            prefix=given.prefix.split(),
        )
        async with run_daemon(follower) as daemon:
            port = urlsplit(daemon.stream).port or 80
            for kind in given.kinds:
                found[kind] = await phase(kind, port)
    return found


def at_rest(found: dict[str, Phase], what: str) -> str:
    """What blocks at rest came to."""
    best = {kind: max(each.rate for each in found[kind].rounds) for kind in found}
    rows = []
    for kind, phase in found.items():
        bare = max(each.rate for each in phase.bare)
        one = phase.rounds[0]
        cells = [kind, report.number(best[kind])]
        cells += [report.ratio(best[kind], best["engine"]), report.number(bare)]
        cells += [report.ratio(best[kind], bare), f"{one.size / one.messages:,.0f}"]
        rows.append([*cells, f"{sum(each.messages for each in phase.rounds):,}"])
    head = ["", "deliveries/s", "of engine", "bare loop", "of bare", "bytes", "all"]
    return report.table(f"blocks of 100 transactions at rest: {what}", head, rows)


def steady(found: dict[str, Phase], what: str) -> str:
    """What came while blocks were made."""
    rows = []
    for kind, phase in found.items():
        came, theirs = phase.steady.messages, found["engine"].steady.messages
        cells = [kind, f"{phase.hundreds}", f"{came:,}", report.ratio(came, theirs)]
        rows.append([*cells, f"{phase.short:,}", f"{phase.surplus:,}", phase.gone])
    head = ["", "hundreds", "deliveries", "of engine", "lost", "surplus", "cut"]
    return report.table(what, head, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.dropin")
    parser.add_argument("--engine", default="cometbft-0.38.26")
    parser.add_argument("--mix", choices=MIXES, default="all")
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--kinds", nargs="+", choices=OURS, default=OURS)
    parser.add_argument("--rounds", type=int, default=2, help="at rest; may be 0")
    parser.add_argument("--seconds", type=int, default=20, help="of steady blocks")
    parser.add_argument(
        "--pause", default="1s", help="of the engine; less than a second without rounds"
    )
    parser.add_argument("--prefix", default="", help="what runs the follower")
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with tempfile.TemporaryDirectory(prefix="trio_stream_bench_") as folder:
        given.folder = Path(folder)
        found = trio.run(measure, given)
    print(report.machine())
    what = f"{given.clients:,} clients, mix {given.mix!r}, {given.engine}"
    if given.rounds:
        print(at_rest(found, what))
    every = f"{given.seconds} seconds of blocks, {given.pause} in between"
    print(steady(found, f"{every}: {what}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
