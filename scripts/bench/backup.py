"""How much longer blocks take to become durable while the log is copied, or a snapshot is made.

    python -m scripts.bench.backup [--megabytes 1024] [--directory DIR] [--snapshot]

A log of that size is made of transactions of 8 KB. Then blocks of 20 transactions are committed,
twenty per second, with the daemon's checkpoints beside them: first alone, then while a process of
its own makes a backup, and alone again. The backup's bytes pass through the same disk, and its
process shares the processors. With --snapshot it is a snapshot for nodes that join, which the
daemon makes in a thread of its own, so that it shares the interpreter as well.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import trio

from scripts import child
from scripts.bench.report import machine, number, table
from trio_stream.abci.messages import Time
from trio_stream.commands.running import SWITCH_INTERVAL
from trio_stream.ledger.block import AcceptedTransaction, Block, Chain
from trio_stream.log.backup import BYTES_PER_SECOND
from trio_stream.log.checkpoint import Checkpointer
from trio_stream.log.reader import LogReader
from trio_stream.log.snapshots import Snapshots
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

BODY: Final = 8_000
PER_BLOCK: Final = 20
EVERY: Final = 0.05
RATE: Final = BYTES_PER_SECOND >> 20
ALONE: Final = 15.0
"""Seconds of each part without a backup."""
NOW: Final = Time(1_500_000_000, 0)


def main() -> None:
    """Print the table."""
    # As the daemon has it.
    sys.setswitchinterval(SWITCH_INTERVAL)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rate", type=int, default=RATE, help="that of the backup")
    parser.add_argument("--directory", type=Path, help="where log and backup are")
    parser.add_argument("--snapshot", action="store_true", help="instead of a backup")
    given = parser.parse_args()
    rate = None if given.snapshot else given.rate
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        rows = trio.run(_measure, Path(directory), given.megabytes, rate)
    print(machine())
    head = ["commits", "blocks", "median ms", "p99 ms", "longest ms"]
    what = "snapshot" if given.snapshot else "backup"
    print(table(f"Blocks of {PER_BLOCK} beside a {what}", head, rows))


async def _measure(
    directory: Path, megabytes: int, rate: int | None
) -> list[list[str]]:
    blocks = _blocks()
    before, after = list[float](), list[float]()
    with CommitLog.open(directory / "home") as log:
        log.begin_chain(Chain("bench", 1, "", 1, NOW, ()))
        for _ in range(megabytes * 1_000_000 // (BODY * PER_BLOCK)):
            log.append(next(blocks))
            if log.wal_bytes > 50_000_000:
                log.connection.wal_checkpoint()
        async with AsyncExitStack() as stack:
            reader = LogReader(log.path, CandidateCache(0))
            stack.push_async_callback(reader.aclose)
            checkpointer = Checkpointer(log, reader)
            nursery = await stack.enter_async_context(trio.open_nursery())
            await nursery.start(partial(checkpointer.run, stop=trio.Event()))
            commit = partial(_commit, log, checkpointer, blocks)
            with trio.move_on_after(ALONE):
                await commit(before)
            if rate is None:
                took, during = await _snapshot(log, commit)
            else:
                took, during = await _back_up(directory, rate, commit)
            with trio.move_on_after(ALONE):
                await commit(after)
            nursery.cancel_scope.cancel()
    kind, place = ("backup", "backup.db") if rate else ("snapshot", "home/snapshots")
    paths = [directory / place, *(directory / place).rglob("*")]
    size = sum(each.stat().st_size for each in paths if each.is_file())
    what = f"during a {kind} of {number(size / 1e6)} MB in {took:.0f} s"
    return [
        _row("alone", before),
        _row(what, during),
        _row("alone again", after),
    ]


async def _back_up(
    directory: Path, rate: int, commit: Callable[[list[float]], Awaitable[None]]
) -> tuple[float, list[float]]:
    began, seconds = time.perf_counter(), list[float]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit, seconds)
        await trio.run_process(
            [
                sys.executable,
                "-m",
                "trio_stream",
                "backup",
                str(directory / "backup.db"),
            ]
            + ["--home", str(directory / "home"), "--rate", str(rate)],
            env=child.environment({}),
        )
        nursery.cancel_scope.cancel()
    return time.perf_counter() - began, seconds


async def _snapshot(
    log: CommitLog, commit: Callable[[list[float]], Awaitable[None]]
) -> tuple[float, list[float]]:
    began, seconds = time.perf_counter(), list[float]()
    tip = log.tip()
    assert tip is not None
    make = partial(Snapshots(log, keep=1).make, tip.height, lambda: False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit, seconds)
        await trio.to_thread.run_sync(make)
        nursery.cancel_scope.cancel()
    return time.perf_counter() - began, seconds


async def _commit(
    log: CommitLog,
    checkpointer: Checkpointer,
    blocks: Iterator[Block],
    seconds: list[float],
) -> None:
    """Commit until cancelled; `seconds` gets how long each block took."""
    due = trio.current_time()
    while True:
        block = next(blocks)
        began = time.perf_counter()
        await trio.to_thread.run_sync(log.append, block)
        seconds.append(time.perf_counter() - began)
        checkpointer.committed()
        due += EVERY
        await trio.sleep_until(due)


def _blocks() -> Iterator[Block]:
    for height in itertools.count(1):
        accepted = []
        for index in range(PER_BLOCK):
            own = hashlib.sha3_256(b"%d %d" % (height, index)).hexdigest()
            accepted.append(
                AcceptedTransaction(
                    index,
                    bytes.fromhex(own),
                    os.urandom(BODY),
                    own,
                    own,
                    "CREATE",
                    [(1, "ni:///sha-256;" + own)],
                    [],
                    [(own[:44], 0, 1)],
                    (None, None),
                )
            )
        yield Block(height, NOW, "", accepted, [])


def _row(what: str, seconds: list[float]) -> list[str]:
    hundredths = statistics.quantiles(seconds, n=100)
    figures = statistics.median(seconds), hundredths[-1], max(seconds)
    return [what, number(len(seconds)), *(f"{1000 * each:.1f}" for each in figures)]


if __name__ == "__main__":
    main()
