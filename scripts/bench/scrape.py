"""What a scrape of the metrics every second costs the fan-out.

    python -m scripts.bench.scrape [--clients N] [--seconds S] [--rounds N]

The same blocks go to the same number of WebSocket clients, with and without another process that
asks for /metrics once a second; the two take turns, and each round gives one ratio. All rooms are
there and say what they have; the scrape passes through the HTTP server and the process's files are
counted, as in the daemon. Figures are deliveries (events times clients) a second, and the processor
time of one scrape, which tells more on a machine that others use.
"""

from __future__ import annotations

import argparse
import gc
import math
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from scripts.bench import report
from scripts.bench.fanout_ours import Observe, ours
from scripts.bench.fanout_senders import Block, Receiver, make_blocks
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.commands.running import GC_THRESHOLDS, SWITCH_INTERVAL
from trio_stream.engine.broadcast import EngineClient
from trio_stream.engine.server import AbciServer
from trio_stream.engine.sync_status import SyncStatus
from trio_stream.http import server
from trio_stream.http.figures import Rooms
from trio_stream.http.metric_table import OF_A_NODE
from trio_stream.http.metrics import Metrics
from trio_stream.http.places import HttpPlaces
from trio_stream.http.server import HttpLimits
from trio_stream.http.submit import Posts
from trio_stream.ledger.application import Application
from trio_stream.log.disk import Disk
from trio_stream.log.reader import LogReader
from trio_stream.log.snapshotter import SnapshotterStatistics
from trio_stream.log.writer import CommitLog
from trio_stream.net.durations import Durations
from trio_stream.stream.admission import Admission
from trio_stream.stream.selection import Selection
from trio_stream.transactions.candidate import CandidateCache

# Where nothing listens: an engine that is away costs a failed connection for each scrape.
NO_ENGINE = "http://127.0.0.1:1"
TRIES = 20
SCRAPER = """
import http.client, sys, time
# Kept alive, as Prometheus does.
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
while True:
    connection.request("GET", "/metrics")
    assert b"trio_stream_fan_out_seconds" in connection.getresponse().read()
    print(flush=True)
    time.sleep(1)
"""


class Scraped:
    """Scrapes while a round runs, and how many there were."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.count = 0
        self.cpu: list[float] = []
        """Seconds of processor time that one scrape takes of our process, while all wait."""

    @asynccontextmanager
    async def by_another_process(
        self, channel: CommitChannel[Selection]
    ) -> AsyncIterator[None]:
        """A server of /metrics, and somebody who asks it once a second."""
        with CommitLog.open(self._home) as log, tempfile.TemporaryFile() as said:
            async with trio.open_nursery() as nursery:
                reader = LogReader(log.path, CandidateCache(0))
                stop = trio.Event()
                metrics = _metrics(channel, log, reader)
                began = time.process_time()
                for _ in range(TRIES):
                    await metrics.answer(b"")
                self.cpu.append((time.process_time() - began) / TRIES)
                port = await _serve(nursery, channel, metrics, stop)
                command = [sys.executable, "-c", SCRAPER, str(port)]
                scraper = await trio.lowlevel.open_process(command, stdout=said)
                try:
                    yield
                finally:
                    scraper.kill()
                    with trio.CancelScope(shield=True):
                        await scraper.wait()
                    stop.set()
                    nursery.cancel_scope.cancel()
            await reader.aclose()
            said.seek(0)
            self.count += said.read().count(b"\n")


def _metrics(
    channel: CommitChannel[Selection], log: CommitLog, reader: LogReader
) -> Metrics:
    places = HttpPlaces(HttpLimits(), channel.turn)
    application = Application(log, CandidateCache(0), version="bench")
    abci = AbciServer(application, on_commit=lambda _: None, frame_limit=1 << 20)
    engine = EngineClient(NO_ENGINE, max_connections=1, timeout=1)
    rooms = Rooms(
        chain=application,
        log=reader,
        disk=Disk(log.path),
        channel=channel,
        engine=SyncStatus(NO_ENGINE),
        abci=abci.statistics,
        broadcasts=engine.statistics,
        subscribers=Admission(),
        guard_refused={},
        http=places.statistics,
        posts=Posts,
        checks_refused={},
        snapshots=lambda: SnapshotterStatistics(0, 0, 0, 0.0),
        loop_delays=Durations(),
    )
    return Metrics(rooms.figures, OF_A_NODE, run_sync=channel.run_in_turn)


async def _serve(
    nursery: trio.Nursery,
    channel: CommitChannel[Selection],
    metrics: Metrics,
    stop: trio.Event,
) -> int:
    limits = HttpLimits()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    serve = partial(server.serve, _nothing, listeners, tls=None, limits=limits)
    serve = partial(serve, direct=lambda request: metrics.answer(request.query))
    await nursery.start(partial(serve, turn=channel.turn, stop=stop))
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def _nothing(*_: object) -> None:  # noqa: ASYNC124  # as ASGI has it
    raise AssertionError("a scraper's request is plain, and answered in front")


def rate(clients: int, blocks: Sequence[Block], observe: Observe | None) -> float:
    """Deliveries a second."""
    gc.collect()
    with Receiver(clients, blocks, tls=False) as receiver:
        starts, times = ours(blocks, receiver, tls=None, observe=observe)
    return clients * len(blocks) * len(blocks[0]) / (times[-1] - starts[0])


def compare(events: int, given: argparse.Namespace, home: Path) -> list[object]:
    """One row of the table."""
    clients: int = given.clients
    once = make_blocks(max(1, 200_000 // (clients * events)), events)
    count = rate(clients, once, None) * given.seconds / (clients * events)
    blocks = make_blocks(math.ceil(count), events)
    scraped = Scraped(home)
    found: dict[bool, list[float]] = {False: [], True: []}
    for number in range(given.rounds):
        # Each goes first as often as the other.
        for is_scraped in (number % 2 == 0, number % 2 == 1):
            observe = scraped.by_another_process if is_scraped else None
            found[is_scraped].append(rate(clients, blocks, observe))
    ratios = [a / b for a, b in zip(found[True], found[False], strict=True)]
    return [
        f"{clients:,} x {events}",
        report.number(statistics.median(found[False])),
        report.number(statistics.median(found[True])),
        f"{statistics.median(ratios):.3f}",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        scraped.count,
        f"{statistics.median(scraped.cpu) * 1000:.1f} ms",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--events", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--seconds", type=float, default=5, help="a round takes")
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # As the daemon runs.
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    with tempfile.TemporaryDirectory() as home:
        rows = [compare(events, given, Path(home)) for events in given.events]
    head = [
        "clients x events",
        "not scraped",
        "scraped",
        "ratio",
        "range",
        "scrapes",
        "CPU of one",
    ]
    print(report.machine())
    print(report.table("deliveries a second", head, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
