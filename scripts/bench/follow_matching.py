"""How long a block of a followed chain takes on its way to thousands of subscribers with queries.

    python -m scripts.bench.follow_matching [--subscribers N] [--queries N] [--transactions N]

A log on disk, the channel above it, and subscribers in memory who wait for messages of their query,
several for each. Then blocks of transfers with twelve events are appended. `matching` is the
processor time in which all queries are asked of all transactions; `published` is how long it takes
from the commit until the last subscriber has its messages, reading the log included; `longest step`
is how long the event loop's thread was busy without a chance for others, in processor time. The
limit beside it: to read these blocks from the log and nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from scripts import child
from scripts.bench.follow_data import MadeBlocks
from scripts.bench.report import machine
from scripts.bench.report import number as shown
from scripts.bench.report import table
from tests.loop_steps import measured_steps
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.cometbft.followed import FollowedChain
from trio_stream.cometbft.queries import Expression, OneEvent
from trio_stream.cometbft.query_parser import parse
from trio_stream.feeds.matching import FeedIndex, Matched
from trio_stream.feeds.runs import FeedRun
from trio_stream.feeds.selection import FeedSelection
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.frames import Frames
from trio_stream.stream.position import Position

RECORDED = "sdk050_cmt0.38.11"
MATCHING, STEP = 100, 20
"""The bars, in milliseconds."""


class TimedIndex(FeedIndex):
    """Knows how long matching took."""

    def __init__(self) -> None:
        super().__init__()
        self.spent = self.longest = 0.0

    def match(self, run: FeedRun, found: Matched) -> Iterator[None]:
        steps = super().match(run, found)
        while True:
            began = time.thread_time()
            more = next(steps, steps) is not steps
            took = time.thread_time() - began
            self.spent += took
            self.longest = max(self.longest, took)
            if not more:
                return
            yield


class Deliveries:
    """What subscribers were given in place."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0

    def send_nowait(self, frames: Frames, offset: int) -> int | None:
        self.messages += len(frames.ends)
        self.bytes += len(frames.data)
        return None


def queries(addresses: list[str], count: int) -> Iterator[Expression]:
    """What people ask of transfers, in turn."""
    for number in range(count):
        address, other = addresses[number + 1], addresses[number + 2]
        recipient = f"transfer.recipient = '{address}'"
        match number % 5:
            case 0 | 1:
                yield parse(f"tm.event = 'Tx' AND {recipient}")
            case 2:
                yield OneEvent(parse(f"{recipient} AND transfer.amount > {number}"))
            case 3:
                yield parse(f"message.sender IN ('{address}', '{other}')")
            case _:
                yield parse(f"tm.event='Tx' AND transfer.amount > {9_000_000 + number}")


async def measure(
    subscribers: int, count: int, transactions: int, rounds: int
) -> list[list[object]]:
    made = MadeBlocks(RECORDED, transactions)
    with tempfile.TemporaryDirectory(prefix="matching-") as folder:
        with FollowedLog.open(Path(folder)) as log:
            log.begin(FollowedChain("made", 1))
            log.append(made.at(1))
            reader = FollowedReader(log.path)
            kind = FollowedBlocks(reader)
            kind.index = index = TimedIndex()
            channel: CommitChannel[FeedSelection] = CommitChannel(kind)
            asked = list(queries(made.addresses, count))
            given = Deliveries()
            rows: list[list[object]] = []
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(channel.run, stop=trio.Event()))

                async def subscribe(query: Expression) -> None:
                    clone = channel.clone(
                        Position.end_of(1),
                        selection=FeedSelection(query=query),
                        send_nowait=given.send_nowait,
                    )
                    while True:
                        batch = await clone.receive()
                        given.messages += len(batch.frames.ends)

                for number in range(subscribers):
                    nursery.start_soon(subscribe, asked[number % count])
                await all_served(channel, subscribers, 1)
                for height in range(2, 2 + rounds):
                    index.spent = index.longest = 0.0
                    before = given.messages
                    block = made.at(height)
                    await trio.to_thread.run_sync(log.append, block)
                    began = time.perf_counter()
                    await reader.blocks_after(height - 1, max_bytes=1 << 30)
                    alone = time.perf_counter() - began
                    with measured_steps() as steps:
                        began = time.perf_counter()
                        channel.advance(height)
                        await all_served(channel, subscribers, height)
                        published = time.perf_counter() - began
                    rows.append(
                        [
                            f"block {height}",
                            f"{given.messages - before:,}",
                            shown(index.spent * 1000),
                            shown(index.longest * 1000),
                            shown(published * 1000),
                            shown(steps.longest * 1000),
                            shown(alone * 1000),
                        ]
                    )
                nursery.cancel_scope.cancel()
            await reader.aclose()
    return rows


async def all_served(
    channel: CommitChannel[FeedSelection], subscribers: int, height: int
) -> None:
    """Wait until everybody has everything up to that height."""
    last = channel.clone(Position.end_of(height - 1), until=Position.end_of(height))
    with suppress(trio.EndOfChannel):
        while True:
            await last.receive()
    await last.aclose()

    # Those who were woken have to be asleep again, which nothing says.
    async def asleep() -> bool | None:  # noqa: ASYNC124
        return channel.statistics().clones.waiting >= subscribers or None

    await child.poll(asleep, seconds=60, what="rest")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--subscribers", type=int, default=5000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--transactions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    print(machine())
    rows = trio.run(
        measure,
        options.subscribers,
        options.queries,
        options.transactions,
        options.rounds,
    )
    title = (
        f"milliseconds, {options.subscribers:,} subscribers with {options.queries:,} queries,"
        f" {options.transactions:,} transactions"
    )
    head = ["", "messages", "matching", "its longest step", "published", "longest step"]
    print(table(title, [*head, "read alone"], rows))
    print(f"bars: matching {MATCHING} ms, longest step {STEP} ms")


if __name__ == "__main__":
    main()
