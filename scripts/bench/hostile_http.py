"""What happens to others while thousands of connections attack the HTTP door.

A daemon, a stand-in for the engine that commits a block every 50 ms, and two honest clients:
one from an address of its own, one from the attackers'. After a time of peace come, all at
once, connections that drip a head (a byte every ten seconds),
hold a body of 2 MiB less a few bytes, or ask for a large block and read nothing. Printed are
how honest requests and Commit fared in peace and under attack, the daemon's memory, and how
long a stop took with all attackers still there. Everything is on loopback and ends by itself;
the attackers are a process of their own.
"""

from __future__ import annotations

import argparse
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import trio

from scripts import child
from scripts.bench import report
from scripts.daemon_process import RunningDaemon, Settings, start_daemon
from scripts.signing import Key, create, encode
from tests.fake_engine import FakeEngine

ALICE = Key.from_seed(b"\x01" * 32)
HOST = "127.0.0.1"
PAUSE = 0.05
GET = b"GET /api/v1/validators HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class Seen:
    """What others saw in one part of the run."""

    commits: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    memory: int = 0

    def row(self, name: str) -> str:
        return (
            f"{name}: Commit p50 {_ms(self.commits, 50)} p99 {_ms(self.commits, 99)} "
            f"of {len(self.commits)}; answers p50 {_ms(self.answered, 50)} "
            f"p99 {_ms(self.answered, 99)} {dict(self.statuses)}; "
            f"at most {self.memory / 2**20:,.0f} MiB"
        )


def _ms(seconds: Sequence[float], percent: int) -> str:
    if len(seconds) < 2:
        return "-"
    cut = statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]
    return f"{report.number(cut * 1000)} ms"


class Others:
    """Whoever is no attacker; what they see goes to `seen`."""

    def __init__(self, daemon: RunningDaemon, engine: FakeEngine) -> None:
        self.seen = Seen()
        self._daemon = daemon
        self._node = engine

    async def commit(self) -> None:
        """Blocks of ten transactions."""
        for number in count():
            txs = [create(ALICE, metadata={"n": number, "i": i}) for i in range(10)]
            began = time.perf_counter()
            await self._node.block(*map(encode, txs))
            self.seen.commits.append(time.perf_counter() - began)
            await trio.sleep(PAUSE)

    async def ask(self, address: str) -> None:
        """Requests, each on a connection of its own."""
        while True:
            status = "nothing"
            began = time.perf_counter()
            with trio.move_on_after(30), suppress(OSError, trio.BrokenResourceError):
                status = await self._ask(address)
            self.seen.answered.append(time.perf_counter() - began)
            self.seen.statuses[f"{address} {status}"] += 1
            await trio.sleep(PAUSE)

    async def _ask(self, address: str) -> str:
        port = self._daemon.api_port
        stream = await trio.open_tcp_stream(HOST, port, local_address=address)
        async with stream:
            await stream.send_all(GET)
            said = b"".join([bytes(piece) async for piece in stream])
        return said[9:12].decode() or "nothing"

    async def weigh(self) -> None:
        """The daemon's resident memory."""
        file = Path(f"/proc/{self._daemon.pid}/statm")
        while True:
            with suppress(OSError, IndexError):
                pages = int(file.read_text().split()[1])
                held = pages * resource.getpagesize()
                self.seen.memory = max(self.seen.memory, held)
            await trio.sleep(PAUSE)


async def run(folder: Path, given: argparse.Namespace) -> None:
    print(report.machine())
    async with child.open_nursery() as nursery:
        daemon = await start_daemon(nursery, Settings(home=folder / "data"))
        address = urlsplit(daemon.abci)
        assert address.hostname and address.port
        connect = partial(trio.open_tcp_stream, address.hostname, address.port)
        async with FakeEngine("C38", connect) as engine:
            await engine.handshake()
            text = {"x": "y" * 100_000}
            large = [create(ALICE, metadata={"n": n, **text}) for n in range(40)]
            await engine.block(*map(encode, large))
            attackers = await _watch(daemon, engine, nursery, given)
        began = time.perf_counter()
        daemon.send_signal(signal.SIGTERM)
        status = await daemon.wait()
        print(f"stopped with status {status} after {time.perf_counter() - began:.1f} s")
        await attackers.kill()


async def _watch(
    daemon: RunningDaemon,
    engine: FakeEngine,
    children: trio.Nursery,
    given: argparse.Namespace,
) -> child.Child:
    """See how others fare in peace and under attack; the attackers, who go on."""
    others = Others(daemon, engine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others.commit)
        nursery.start_soon(others.weigh)
        for address in (HOST, "127.0.1.1"):
            nursery.start_soon(others.ask, address)
        await trio.sleep(given.seconds)
        print(others.seen.row("in peace"), flush=True)
        numbers = (given.dripping, given.unfinished, given.stalled)
        arguments = map(str, (daemon.api_port, given.addresses, given.again, *numbers))
        attackers = await child.start(
            children,
            "attackers",
            [sys.executable, "-m", "scripts.bench.hostile_http_clients", *arguments],
            log=daemon.log.parent / "attackers.log",
            environment=child.environment({}),
        )
        for part in range(given.parts):
            others.seen = Seen()
            await trio.sleep(given.seconds)
            print(others.seen.row(f"attack, part {part + 1}"), flush=True)
        nursery.cancel_scope.cancel()
    return attackers


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dripping", type=int, default=4096)
    parser.add_argument("--unfinished", type=int, default=1000)
    parser.add_argument("--stalled", type=int, default=4000)
    parser.add_argument("--addresses", type=int, default=1, help="of the attackers")
    parser.add_argument("--again", type=int, default=0, help="seconds; 0: never")
    parser.add_argument("--seconds", type=float, default=15, help="of each part")
    parser.add_argument("--parts", type=int, default=2, help="of the attack")
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        trio.run(run, Path(folder), given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
