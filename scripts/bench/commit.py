"""How many blocks a second become durable, and what the disk alone would allow.

    python -m scripts.bench.commit [--directory DIR]

Blocks of 1, 100 and 1,000 CREATEs, validated before the clock starts, go through the commit log.
The checkpoints that the daemon makes beside commits are made here between them, and count. Two
limits on the same file system: a bare append and fsync of 4 KiB, which no durable block can be
faster than, and one of as many bytes as the block wrote into the write-ahead log. They are measured
between the blocks, so that a disk that others use too is as slow for all three.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

import apsw

from scripts.bench.report import machine, number, ratio, table
from scripts.signing import Key, create, encode
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Block, Chain
from trio_stream.ledger.staging import StagedBlock
from trio_stream.log.checkpoint import STEP
from trio_stream.log.file import open_for_checkpoints
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

# Transactions a block, and blocks.
ROUNDS = ((1, 800), (100, 60), (1_000, 10))
NOW = Time(1_500_000_000, 0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, help="where the log is written")
    place = parser.parse_args().directory
    with tempfile.TemporaryDirectory(dir=place) as directory:
        rows = [_measure(Path(directory), size, count) for size, count in ROUNDS]
    print(machine())
    head = ["block", "blocks/s", "tx/s", "ms/block", "WAL KB/block"]
    head += ["fsync of 4 KB/s", "ratio", "fsync of same/s", "ratio"]
    print(table("Commits", head, rows))


def _measure(directory: Path, size: int, count: int) -> list[str]:
    ours = least = same = written = 0.0
    with ExitStack() as stack:
        log = stack.enter_context(CommitLog.open(directory / str(size)))
        log.begin_chain(Chain("bench", 1, "", 1, NOW, ()))
        checkpoints = open_for_checkpoints(log.path)
        stack.callback(checkpoints.close)
        file = stack.enter_context(tempfile.TemporaryFile(dir=directory, buffering=0))
        for block in _blocks(log, size, count):
            before = log.wal_bytes
            ours += _seconds(partial(log.append, block))
            # Where it has begun anew, it holds this block alone.
            grown = log.wal_bytes - before
            grown = grown if grown > 0 else log.wal_bytes
            written += grown
            if log.wal_bytes > STEP:
                mode = apsw.SQLITE_CHECKPOINT_PASSIVE
                ours += _seconds(partial(checkpoints.wal_checkpoint, mode=mode))
            least += _seconds(partial(_append, file, 4096))
            same += _seconds(partial(_append, file, grown))
    return [
        f"{size:,} tx",
        number(count / ours),
        number(count * size / ours),
        number(1000 * ours / count),
        number(written / count / 1000),
        number(count / least),
        ratio(least, ours),
        number(count / same),
        ratio(same, ours),
    ]


def _blocks(log: CommitLog, size: int, count: int) -> Iterator[Block]:
    """Blocks in a row, of transactions that were never seen before."""
    signer = Key.from_seed(bytes(32))
    cache = CandidateCache(0)
    for height in range(1, count + 1):
        staged = StagedBlock(log, height=height, time=NOW)
        for index in range(size):
            raw = encode(create(signer, data={"block": height, "n": index}))
            refused = staged.deliver(cache.examine(raw))
            assert refused is None, refused
        yield staged.end("")


def _append(file: IO[bytes], size: int) -> None:
    file.write(bytes(size))
    os.fsync(file.fileno())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
