"""How many requests a second the HTTP door answers, and which share of the time is whose.

    python -m scripts.bench.http [--seconds N] [--directory DIR]

The daemon runs as a process of its own over a log of 10,000 transactions, with a node's RPC that
accepts everything at once; eight kept-alive connections ask it from another process, each waiting
for its answers. The bars are for BigchainDB's own figures, 3 times its 700 GETs of a transaction
and 10 times its 73 GETs of a thousand outputs. What the layers take: hypercorn is what an empty
application answers with, Quart what GET / takes more than that, ours the rest.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import trio

from scripts import child
from scripts.bench import load
from scripts.bench.query_data import fill, named, sample
from scripts.bench.report import machine, number, ratio, table
from scripts.daemon_process import Settings, run_daemon
from scripts.signing import Key, create, encode
from trio_stream.log.writer import CommitLog

TRANSACTIONS = 10_000
KEYS = 10
"""So each owns a thousand outputs."""
PIECE = 200
"""Requests between two looks at the clock."""
BAR_TRANSACTION = 2_100
BAR_OUTPUTS = 730


class Pace(NamedTuple):
    """How fast requests are answered."""

    rate: float
    """Requests a second."""
    cpu: float
    """Microseconds of the server's processor time a request."""


class Row(NamedTuple):
    """A kind of request and its pace."""

    what: str
    pace: Pace
    bar: float | None = None


class Server(NamedTuple):
    """The server that is measured."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of processor time so far, all threads together."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="for each kind")
    parser.add_argument("--directory", type=Path, help="where the log is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        rows = trio.run(_bench, Path(directory), options.seconds)
    print(machine())
    hypercorn, quart = rows[0].pace.cpu, rows[1].pace.cpu
    cells = [
        [
            row.what,
            number(row.pace.rate),
            number(row.bar) if row.bar else "",
            ratio(row.pace.rate, row.bar) if row.bar else "",
            number(row.pace.cpu),
            _shares(row.pace.cpu, hypercorn, quart),
        ]
        for row in rows
    ]
    head = ["request", "a second", "bar", "of it", "CPU us", "hypercorn, Quart, ours"]
    print(table("Requests", head, cells))


def _shares(whole: float, hypercorn: float, quart: float) -> str:
    """What the layers take of a request, in percent."""
    if whole <= quart:
        return ""
    parts = hypercorn, quart - hypercorn, whole - quart
    return " + ".join(f"{part / whole:.0%}" for part in parts)


async def _bench(directory: Path, seconds: float) -> list[Row]:
    home = directory / "home"
    with CommitLog.open(home) as log:
        fill(log, TRANSACTIONS, KEYS)
    async with child.open_nursery() as nursery:
        bare = await _stand_in(nursery, "bare", directory)
        rpc = await _stand_in(nursery, "rpc", directory)
        rows = [Row("hypercorn alone", await _pace(bare, ["/"], seconds))]
        settings = Settings(home, node=f"http://127.0.0.1:{rpc.port}")
        async with run_daemon(settings) as daemon:
            server = Server(daemon.api_port, daemon.pid)
            for what, targets, bar in _questions():
                rows.append(Row(what, await _pace(server, targets, seconds), bar))
            rows.append(Row("POST in mode async", await _post_pace(server, seconds)))
    return rows


def _questions() -> list[tuple[str, list[str], float | None]]:
    """What is asked, where, and how often a second it should be answered."""
    api = "/api/v1"
    names = [named(n, KEYS) for n in sample(TRANSACTIONS, 1_000)]
    return [
        ("GET /", ["/"], None),
        (
            "GET a transaction",
            [f"{api}/transactions/{each.id}" for each in names],
            BAR_TRANSACTION,
        ),
        (
            "GET 5 of an asset",
            [f"{api}/transactions?asset_id={each.asset_id}" for each in names],
            None,
        ),
        (
            "GET 1,000 outputs",
            [f"{api}/outputs?public_key={each.public_key}" for each in names],
            BAR_OUTPUTS,
        ),
        (
            "GET a status",
            [f"{api}/statuses?transaction_id={each.id}" for each in names],
            None,
        ),
    ]


async def _stand_in(nursery: trio.Nursery, kind: str, directory: Path) -> Server:
    """A stand-in that listens."""
    ports: list[int] = []
    listening = trio.Event()

    def read(line: str) -> None:
        ports.append(int(line.split()[1]))
        listening.set()

    process = await child.start(
        nursery,
        kind,
        [sys.executable, "-m", "scripts.bench.http_stand_ins", kind],
        log=directory / f"{kind}.log",
        environment=child.environment({}),
        on_line=read,
    )
    await child.while_alive(process, listening.wait)
    return Server(ports[0], process.pid)


async def _pace(server: Server, targets: list[str], seconds: float) -> Pace:
    """For so long, after a first piece that warms up."""
    head = "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    requests = [head.format(targets[n % len(targets)]).encode() for n in range(1_000)]
    await load.post_all(server.port, requests[:PIECE], b" 200 ")
    began, cpu, count = trio.current_time(), server.cpu(), 0
    while trio.current_time() < began + seconds:
        await load.post_all(server.port, requests[:PIECE], b" 200 ")
        requests = requests[PIECE:] + requests[:PIECE]
        count += PIECE
    return _paced(count, trio.current_time() - began, server.cpu() - cpu)


async def _post_pace(server: Server, seconds: float) -> Pace:
    """Of new transactions, as many as there are."""
    signer = Key.from_seed(b"\x01" * 32)
    target = "/api/v1/transactions?mode=async"
    posts = [
        load.post(target, encode(create(signer, data={"n": n})))
        for n in range(int(400 * seconds) + PIECE)
    ]
    await load.post_all(server.port, posts[:PIECE], b" 202 ")
    began, cpu = trio.current_time(), server.cpu()
    await load.post_all(server.port, posts[PIECE:], b" 202 ")
    took, used = trio.current_time() - began, server.cpu() - cpu
    return _paced(len(posts) - PIECE, took, used)


def _paced(count: int, seconds: float, cpu: float) -> Pace:
    return Pace(count / seconds, 1e6 * cpu / count)


if __name__ == "__main__":
    main()
