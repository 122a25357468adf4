"""Whether the daemon's memory stays what it was, however much is refused and read.

    python -m scripts.bench.memory [--requests N] [--directory DIR]

The daemon runs as a process of its own. So many times it is posted what it refuses: bodies of up
to 2 MB that differ, and small ones, of each kind of fault; then as many times it is asked for its
largest answers: a large transaction, thousands of outputs, a long search, and at times a block of
many megabytes. Resident memory is read after the first hundred of a kind of load and at the end,
both times when nothing is under way; the bar is that it grew by a tenth at most, and the status is
1 if it did not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import trio

from scripts import http_client
from scripts.bench.query_data import BLOCK, fill, named
from scripts.bench.report import machine, ratio, table
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.signing import Document, Key, create, encode, transfer
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Block
from trio_stream.ledger.rows import rows_of
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.model import parse

REQUESTS: Final = 10_000
FIRST: Final = 100
BAR: Final = 1.1

_CONNECTIONS: Final = 4
# Seconds in which what the last requests took is given up.
_REST: Final = 1.0
_OUTPUTS: Final = 10 * BLOCK
_LARGE: Final = 700_000
_LARGEST_POST: Final = 2_000_000
_IN_BLOCK: Final = 12
_SIGNER: Final = Key.from_seed(b"\x01" * 32)


class Request(NamedTuple):
    """What is asked, and which status the answer may have."""

    method: str
    target: str
    body: bytes
    statuses: frozenset[int]


class Grown(NamedTuple):
    """Resident memory under a load, in bytes."""

    load: str
    first: int
    last: int
    most: int

    @property
    def holds(self) -> bool:
        return self.last <= self.first * BAR


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each load")
    parser.add_argument("--directory", type=Path, help="where the log is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        rows = trio.run(measure, Path(directory), options.requests)
    print(machine())
    print(show(rows))
    sys.exit(not all(row.holds for row in rows))


def show(rows: list[Grown]) -> str:
    """The table."""
    cells = [
        [
            row.load,
            *(f"{size >> 20} MiB" for size in (row.first, row.most, row.last)),
            ratio(row.last, row.first),
        ]
        for row in rows
    ]
    head = ["load", f"after {FIRST}", "most", "at the end", f"bar {BAR}x"]
    return table("Resident memory", head, cells)


async def measure(directory: Path, requests: int) -> list[Grown]:
    """What memory does under both loads, one after the other."""
    large = write_log(directory / "home")
    async with run_daemon(Settings(directory / "home")) as daemon:
        posts = await _grown(daemon, "refused POSTs", refused(requests))
        gets = await _grown(daemon, "largest GETs", largest(requests, large))
    return [posts, gets]


def write_log(home: Path) -> list[str]:
    """A log with much to ask for; the ids of its large transactions."""
    with CommitLog.open(home) as log:
        fill(log, _OUTPUTS, 1)
        raws = [
            encode(create(_SIGNER, data={"n": n, "text": "large " * (_LARGE // 6)}))
            for n in range(_IN_BLOCK)
        ]
        accepted = [rows_of(parse(raw), n, b"") for n, raw in enumerate(raws)]
        tip = log.tip()
        assert tip is not None
        log.append(Block(tip.height + 1, Time(1_500_000_000, 0), "", accepted, ()))
        return [each.id for each in accepted]


def refused(count: int) -> Iterator[Request]:
    """Posts that are refused, each for its own reason and none like another."""
    chance = random.Random(1)
    # A body may be too large to be looked at, and then it is told by its length alone.
    statuses = frozenset({400, 413})
    for n in range(count):
        size = chance.randrange(2, _LARGEST_POST)
        body = _refused_body(n, size)
        yield Request("POST", "/api/v1/transactions", body, statuses)


def _refused_body(n: int, size: int) -> bytes:
    text = "x" * max(size - 1_200, 0)
    document: Document
    match n % 6:
        case 0:
            document = {"n": n, "text": text}
        case 1:
            return b'{"n": %d, "lists": [%b]}' % (n, b",".join([b"[]"] * (size // 9)))
        case 2:
            document = create(_SIGNER, metadata={"n": 2**70 + n, "text": text})
        case 3:
            document = create(_SIGNER, metadata={"n": n}) | {"id": f"{n:064x}"}
        case 4:
            nobody = create(_SIGNER, data={"n": n})
            document = transfer(nobody, _SIGNER, metadata={"text": text})
        case _:
            return b'{"n": %d, "text": "%b' % (n, text.encode())
    return encode(document)


def largest(count: int, large: list[str]) -> Iterator[Request]:
    """Requests for what is long."""
    api, good = "/api/v1", frozenset({200})
    key = named(0, 1).public_key
    height = _OUTPUTS // BLOCK + 1
    for n in range(count):
        targets = [
            f"{api}/transactions/{large[n % len(large)]}",
            f"{api}/outputs?public_key={key}",
            f"{api}/metadata?search=rain&limit=2000",
        ]
        target = f"{api}/blocks/{height}" if n % 100 == 50 else targets[n % 3]
        yield Request("GET", target, b"", good)


async def _grown(
    daemon: RunningDaemon, load: str, requests: Iterator[Request]
) -> Grown:
    sizes: list[int] = []

    async def ask(some: Iterator[Request]) -> None:
        async with http_client.connect("127.0.0.1", daemon.api_port) as connection:
            for each in some:
                answer = await connection.request(each.method, each.target, each.body)
                if answer.status not in each.statuses:
                    raise RuntimeError(
                        f"{each.target}: {answer.status} {answer.body!r:.300}"
                    )
                sizes.append(resident_bytes(daemon.pid))

    async def at_rest_after(some: Iterator[Request]) -> int:
        async with trio.open_nursery() as nursery:
            for _ in range(_CONNECTIONS):
                nursery.start_soon(ask, some)
        await trio.sleep(_REST)
        return resident_bytes(daemon.pid)

    first = await at_rest_after(islice(requests, FIRST))
    last = await at_rest_after(requests)
    return Grown(load, first, last, max([first, *sizes, last]))


def resident_bytes(pid: int) -> int:
    """What a process has in memory (proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    main()
