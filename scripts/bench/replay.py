"""How fast subscribers get the past, and what the present notices of it.

    python -m scripts.bench.replay [--parts speed resume wal] [--seconds S] ...

speed: events a second from the log to one client in another process, beside the same bytes from
memory over a bare socket, which is what the machine allows. resume: how long Commit takes to be
answered, 10 blocks a second of one event each, by itself and while 1,000 clients that come at once
are behind by 10,000 blocks. wal: how large the write-ahead log becomes while four clients read all
of the log again and again and blocks of 100 transactions are committed one after the other.

The daemon is a process as a user starts it, with a long history; FakeEngine is its engine.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import trio

from scripts import child
from scripts.bench import long_log, report
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.signing import Key, create, encode
from tests.fake_engine import GENESIS_TIME, FakeEngine
from trio_stream.abci.messages import Time
from trio_stream.log.file import FILE_NAME

T = TypeVar("T")

SIGNER = Key.from_seed(bytes(32))
PACE = 0.1
# What is asked of replay; beside each figure stands the one it is to be compared with.
SPEED_BAR = 1_000_000  # events a second, at least
RESUME_LIMIT = 2.0  # times as long as without, at most
WAL_LIMIT = 128 << 20  # bytes, less than that
_SLICE = 256 * 1024
_HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Receivers:
    """Clients in a process of their own, connected and waiting for the word."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._text = b""

    async def go(self) -> None:
        await self._stdin.send_all(b"\n")

    async def line(self) -> str:
        """What it says next."""
        while b"\n" not in self._text:
            more = await self._stdout.receive_some()
            if not more:
                raise RuntimeError("the receivers ended; see what they said")
            self._text += more
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    async def seconds(self) -> float:
        """How long it took until all had all."""
        began, ended = map(float, (await self.line()).split())
        return ended - began


@asynccontextmanager
async def receivers(
    port: int, clients: int, size: int, *flags: str
) -> AsyncIterator[Receivers]:
    """Clients that wait for so many bytes each, for the time of a block."""
    arguments = [str(port), str(clients), str(size), *flags]
    async with child.open_nursery() as nursery:
        start = partial(
            trio.run_process,
            [sys.executable, "-m", "scripts.bench.replay_receivers", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            check=False,
        )
        found = Receivers(await nursery.start(start))
        assert await found.line() == "ready"
        yield found


def stream_port(daemon: RunningDaemon) -> int:
    return urlsplit(daemon.stream).port or 80


async def speed(folder: Path, given: argparse.Namespace) -> str:
    """The table of replay to one client."""
    rows = []
    for size in given.events:
        blocks = given.total // size
        home = folder / f"speed-{size}"
        long_log.write_long_log(home, blocks, size)
        data = b"".join(long_log.frames(blocks, size))
        digest = hashlib.sha256(data).hexdigest()
        ours, bare = [], []
        async with run_daemon(Settings(home=home)) as daemon:
            for _ in range(given.rounds):
                seconds = await _one_client(stream_port(daemon), len(data), digest)
                ours.append(blocks * size / seconds)
                seconds = await _bare(data, digest)
                bare.append(blocks * size / seconds)
        best, median = max(ours), statistics.median(ours)
        figures = map(report.number, (SPEED_BAR, best, median, max(bare)))
        row = [f"{size} a block", *figures]
        rows.append([*row, report.ratio(best, max(bare))])
    head = ["events", "bar", "best", "median", "bare socket", "of bare"]
    return report.table("Replay to one client, events a second", head, rows)


async def _one_client(port: int, size: int, digest: str) -> float:
    async with receivers(port, 1, size, "--check") as client:
        await client.go()
        seconds = await client.seconds()
        assert await client.line() == digest, "other bytes than were committed"
        return seconds


async def _bare(data: bytes, digest: str) -> float:
    """The same from memory."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(_HEAD)
            for at in range(0, len(data), _SLICE):
                connection.sendall(memoryview(data)[at : at + _SLICE])
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        return await _one_client(listener.getsockname()[1], len(data), digest)


class Driver:
    """An engine that goes on with the chain, and measures the daemon at it."""

    def __init__(self, engine: FakeEngine, height: int) -> None:
        self._node = engine
        self._height = height

    async def block(self, size: int) -> float:
        """Commit so many new transactions; the seconds from Commit to its answer."""
        self._height += 1
        numbers = [{"block": self._height, "n": number} for number in range(size)]
        txs = [encode(create(SIGNER, data=data)) for data in numbers]
        await self._node.propose(txs)
        now = Time(GENESIS_TIME.seconds + self._height, 0)
        results, _ = await self._node.execute(self._height, txs, now)
        assert not any(result.code for result in results), results
        began = time.perf_counter()
        await self._node.commit()
        return time.perf_counter() - began

    async def paced(self, into: list[float], stop: trio.Event) -> None:
        """A block of one transaction ten times a second, until `stop` is set."""
        due = trio.current_time()
        while not stop.is_set():
            due = max(due + PACE, trio.current_time())
            await trio.sleep_until(due)
            into.append(await self.block(1))


@asynccontextmanager
async def driver(daemon: RunningDaemon) -> AsyncIterator[Driver]:
    address = urlsplit(daemon.abci)

    async def connect() -> trio.abc.Stream:
        assert address.hostname and address.port
        return await trio.open_tcp_stream(address.hostname, address.port)

    async with FakeEngine("C38", connect) as engine:
        yield Driver(engine, (await engine.info()).last_block_height)


async def resume(folder: Path, given: argparse.Namespace) -> str:
    """The table of Commit beside clients who resume."""
    home = folder / "resume"
    long_log.write_long_log(home, given.behind, 1)
    size = sum(map(len, long_log.frames(given.behind, 1)))
    alone: list[float] = []
    beside: list[float] = []
    rounds: list[float] = []
    async with run_daemon(Settings(home=home)) as daemon, driver(daemon) as engine:

        async def measured(into: list[float], wait: Callable[[], Awaitable[T]]) -> T:
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.paced, into, stop)
                result = await wait()
                stop.set()  # cancelled inside a block, the engine would not know of it
            return result

        await measured([], partial(trio.sleep, 2))
        await measured(alone, partial(trio.sleep, given.blocks * PACE))
        while len(beside) < given.blocks:
            port = stream_port(daemon)
            async with receivers(port, given.clients, size) as clients:
                await clients.go()
                rounds.append(await measured(beside, clients.seconds))
        await measured(alone, partial(trio.sleep, given.blocks * PACE))
    rows = []
    for name, statistic in (("median", statistics.median), ("p99", _p99)):
        rows.append(_compared(name, statistic(alone), statistic(beside)))
    title = (
        f"Commit's answer, {len(alone)} blocks alone and {len(beside)} beside"
        f" {given.clients:,} clients {given.behind:,} blocks behind,"
        f" who needed {statistics.median(rounds):.1f} s"
    )
    return report.table(title, ["", "alone", "beside", "ratio", "limit"], rows)


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _compared(name: str, alone: float, beside: float) -> list[str]:
    times = [f"{value * 1000:.2f} ms" for value in (alone, beside)]
    return [name, *times, report.ratio(beside, alone), f"{RESUME_LIMIT:.2f}x"]


async def wal(folder: Path, given: argparse.Namespace) -> str:
    """The table of the write-ahead log's size."""
    home = folder / "wal"
    blocks = 100_000
    long_log.write_long_log(home, blocks, 1)
    size = sum(map(len, long_log.frames(blocks, 1)))
    file = home / f"{FILE_NAME}-wal"
    largest = committed = 0
    async with run_daemon(Settings(home=home)) as daemon, driver(daemon) as engine:
        async with receivers(stream_port(daemon), 4, size, "--for-ever") as readers:
            await readers.go()
            end = trio.current_time() + given.seconds
            while trio.current_time() < end:
                await engine.block(100)
                committed += 1
                largest = max(largest, file.stat().st_size)
    title = f"Write-ahead log under {given.seconds:g} s of four replaying readers"
    row = [f"{committed:,} blocks of 100", *map(_mebibytes, (largest, WAL_LIMIT))]
    return report.table(title, ["committed", "largest", "limit"], [row])


def _mebibytes(size: float) -> str:
    return f"{size / (1 << 20):.1f} MiB"


PARTS = {"speed": speed, "resume": resume, "wal": wal}


async def measure(folder: Path, given: argparse.Namespace) -> None:
    print(report.machine(), flush=True)
    for part in given.parts:
        print(await PARTS[part](folder, given), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--events", type=int, nargs="+", default=[1, 100], help="a block"
    )
    parser.add_argument("--total", type=int, default=600_000, help="events in the log")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed part")
    parser.add_argument("--clients", type=int, default=1_000, help="that resume")
    parser.add_argument("--behind", type=int, default=10_000, help="blocks")
    parser.add_argument("--blocks", type=int, default=150, help="timed, of each kind")
    parser.add_argument("--seconds", type=float, default=60, help="of the wal part")
    parser.add_argument("--directory", type=Path, help="where the logs are written")
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        trio.run(measure, Path(folder), given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
