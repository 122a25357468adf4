"""How long look-ups take in a small log and in a large one.

    python -m scripts.bench.queries [--transactions N] [--directory DIR]

Two logs are written, of 10,000 transactions and of N (200,000; a million takes some minutes and
2 GB), in which each question has an answer of the same size. Then the same questions are asked of
both, at random places, by turns, through the reader that HTTP uses; and once more without its way
to a thread and back, which takes longer than most look-ups. The bar is below twice the time. In
DIR the logs are kept: what is there is not written again. The files are read once before, so that
the disk is not what is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import trio

from scripts.bench.query_data import BLOCK, Filled, fill, named, sample
from scripts.bench.report import machine, number, ratio, table
from trio_stream.http.reads import Reads
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.log.file import FILE_NAME, open_for_checkpoints
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

SMALL = 10_000
LARGE = 200_000
PER_KEY = 5
QUESTIONS = 500
ROUNDS = 4

Question = Callable[[int], Awaitable[object]]


async def _here(work: Callable[[], object], *, limiter: trio.CapacityLimiter) -> object:
    """Does in this thread what would be done in another one."""
    async with limiter:
        return work()


class Log:
    """A filled log and the questions to it."""

    def __init__(self, home: Path, count: int) -> None:
        self.count = count
        with CommitLog.open(home) as log:
            self.filled = fill(log, count, count // PER_KEY)
            checkpoints = open_for_checkpoints(log.path)
            checkpoints.wal_checkpoint()
            checkpoints.close()
        path = home / FILE_NAME
        self.size = path.stat().st_size
        self.reader = LogReader(path, CandidateCache(0))
        self.bare_reader = LogReader(path, CandidateCache(0), run_sync=_here)
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass

    async def aclose(self) -> None:
        await self.reader.aclose()
        await self.bare_reader.aclose()

    def questions(self, reader: LogReader) -> dict[str, Question]:
        """By what they ask."""
        reads = Reads(reader, RecentChecks())

        def names(n: int) -> tuple[bytes, bytes, bytes, bytes]:
            found = named(n, self.count // PER_KEY)
            own, asset, key, word = (each.encode() for each in found)
            return own, asset, key, word

        return {
            "transaction by id": lambda n: reader.transaction(names(n)[0].decode()),
            "block of an id": lambda n: reads.blocks(b"transaction_id=" + names(n)[0]),
            "history of an asset": lambda n: reads.transactions(
                b"asset_id=" + names(n)[1]
            ),
            "last of an asset": lambda n: reads.transactions(
                b"last_tx=true&asset_id=" + names(n)[1]
            ),
            "outputs of a key": lambda n: reads.outputs(b"public_key=" + names(n)[2]),
            "unspent of a key": lambda n: reads.outputs(
                b"spent=false&public_key=" + names(n)[2]
            ),
            "a rare word": lambda n: reads.metadata(b"search=" + names(n)[3]),
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=LARGE, metavar="N")
    parser.add_argument("--directory", type=Path, help="where the logs are kept")
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = options.directory
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trio.run(_bench, directory, options.transactions)


async def _bench(directory: Path, large: int) -> None:
    async with AsyncExitStack() as stack:
        logs = []
        for count in (SMALL, large):
            log = Log(directory / str(count), count)
            stack.push_async_callback(log.aclose)
            logs.append(log)
            print(
                f"{count:,} transactions: {log.size / 1e6:,.0f} MB{_told(log.filled)}"
            )
        by_thread = [log.questions(log.reader) for log in logs]
        bare = [log.questions(log.bare_reader) for log in logs]
        rows = [
            [what, *await _row(logs, by_thread, what), *await _row(logs, bare, what)]
            for what in bare[0]
        ]
    print(machine())
    head = [f"us at {SMALL:,}", f"us at {large:,}", "ratio"]
    print(
        table(
            "Look-ups, then the same without threads", ["look-up", *head, *head], rows
        )
    )


def _told(filled: Filled) -> str:
    if not filled.written:
        return ""
    rate = number(filled.written / filled.seconds)
    slowest = number(filled.slowest)
    return (
        f", {filled.written:,} of them written now, {rate} a second, the slowest block of"
        f" {BLOCK:,} in {slowest} s"
    )


async def _row(
    logs: list[Log], questions: list[dict[str, Question]], what: str
) -> list[str]:
    seconds = [0.0 for _ in logs]
    for turn in range(ROUNDS):
        for i, log in enumerate(logs):
            numbers = list(sample(log.count, QUESTIONS * ROUNDS))
            mine = numbers[turn * QUESTIONS : (turn + 1) * QUESTIONS]
            seconds[i] += await _seconds(questions[i][what], mine)
    small, large = (1e6 * each / QUESTIONS / ROUNDS for each in seconds)
    return [number(small), number(large), ratio(large, small)]


async def _seconds(question: Question, numbers: list[int]) -> float:
    # The first few warm up what is not the log's.
    for n in numbers[:5]:
        await question(n)
    began = time.perf_counter()
    for n in numbers:
        await question(n)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
