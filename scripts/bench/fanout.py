"""How fast blocks reach many WebSocket clients.

    python -m scripts.bench.fanout [--clients N ...] [--events N ...] [--tls] [--busy | --stalled]

Ours, beside a loop that awaits `send_str` of aiohttp for each event and client, as BigchainDB
does it, and beside a bare loop of non-blocking sends over as many sockets, the limit of any server
that makes a system call a client. The clients are in a process of their own; a block is sent when
the one before it has been handed to every socket; the clock runs until the last client has the last
byte. Figures are deliveries (events times clients) a second, the best of some rounds in which all
take turns; the longest time for which our event loop did not look at its sockets; and how much
memory (PSS) our process takes for a client that is connected and waits.

With `--busy`: how long a block takes to the last client when one comes at a time, on an idle daemon
and beside a state machine that is saturated with CheckTx. With `--stalled`: how long a block takes
to the clients that read, with and without a tenth that read nothing; and how memory grows, of our
process and of the kernel for its sockets, while those are there for `--minutes`.
"""

from __future__ import annotations

import argparse
import gc
import resource
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle
from pathlib import Path

import trio

from scripts.bench import report
from scripts.bench.fanout_ours import ours
from scripts.bench.fanout_senders import (
    Block,
    Receiver,
    Times,
    aiohttp_loop,
    bare,
    make_blocks,
)
from scripts.bench.fanout_stalled import compare_latency, process_bytes, watch_memory
from scripts.certificate import write_certificate
from scripts.signing import Key, create, encode
from trio_stream.abci.messages import CheckTx, InitChain, Time
from trio_stream.abci.routine import CHECKS_A_HOP
from trio_stream.commands.running import GC_THRESHOLDS, SWITCH_INTERVAL
from trio_stream.ledger.application import Application
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

Send = Callable[[Sequence[Block], Receiver], Times]

PAUSE = 0.1
PACED_BLOCKS = 40


class LongestStep(trio.abc.Instrument):
    """How long the event loop was away from its sockets, at most, inside `with`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = float("inf")
        self._watching = False

    def __enter__(self) -> None:
        self._since = time.perf_counter()
        self._watching = True

    def __exit__(self, *exc_info: object) -> None:
        self._watching = False

    def after_io_wait(self, timeout: float) -> None:
        self._since = time.perf_counter()

    def before_io_wait(self, timeout: float) -> None:
        if self._watching:
            self.seconds = max(self.seconds, time.perf_counter() - self._since)


class Weight:
    """How much memory a client that waits takes of our process.

    The most of all rounds: from the second on, what the first has freed is used again.
    """

    def __init__(self, clients: int) -> None:
        self.each = 0.0
        self._clients = clients
        self._before = 0

    def begin(self) -> None:
        """Nobody is there yet."""
        gc.collect()
        self._before = process_bytes()

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        """Everybody is."""
        gc.collect()
        self.each = max(self.each, (process_bytes() - self._before) / self._clients)
        yield


def rate(send: Send, clients: int, blocks: Sequence[Block], *, tls: bool) -> float:
    """Deliveries a second."""
    gc.collect()
    with Receiver(clients, blocks, tls=tls) as receiver:
        starts, times = send(blocks, receiver)
    return clients * len(blocks) * len(blocks[0]) / (times[-1] - starts[0])


def compare(
    clients: int, events: int, given: argparse.Namespace, tls: ssl.SSLContext | None
) -> list[object]:
    """One row of the table."""
    step, weight = LongestStep(), Weight(clients)

    def send_ours(blocks: Sequence[Block], receiver: Receiver) -> Times:
        weight.begin()
        beside = weight.there()
        return ours(
            blocks, receiver, tls=tls, watch=step, beside=beside, instruments=[step]
        )

    # What is faster gets more to do, so that all run for a second or so.
    more = 40 if events > 1 and tls is None else 2
    ways: dict[str, tuple[Send, int]] = {
        "ours": (send_ours, more),
        "aiohttp": (partial(aiohttp_loop, tls=tls), 1),
    }
    if tls is None:
        ways["bare"] = (bare, more)
    best = dict.fromkeys(ways, 0.0)
    for _ in range(given.rounds):
        for name, (send, times) in ways.items():
            count = max(1, given.deliveries * times // (clients * events))
            blocks = make_blocks(count, events)
            found = rate(send, clients, blocks, tls=tls is not None)
            best[name] = max(best[name], found)
    limit = best.get("bare", 0.0)
    return [
        f"{clients:,} x {events}",
        report.number(best["ours"]),
        report.number(best["aiohttp"]),
        report.number(limit) if limit else "-",
        report.ratio(best["ours"], best["aiohttp"]),
        report.ratio(best["ours"], limit),
        f"{step.seconds * 1000:.1f} ms",
        f"{weight.each / 1000:.1f} KB",
    ]


@asynccontextmanager
async def saturated(directory: Path) -> AsyncIterator[None]:
    """A state machine beside, that is asked about one transaction after the other."""
    key = Key.from_seed(bytes(32))
    raws = [encode(create(key, metadata={"n": str(n)})) for n in range(1_000)]
    with CommitLog.open(directory) as log:
        application = Application(log, CandidateCache(0), version="bench")
        now = Time(1_500_000_000, 0)
        application.answer(InitChain(now, "bench", (), b"", 1, signed=False), owner=0)
        requests = cycle([CheckTx(raw) for raw in raws])

        def hop() -> None:
            batch = [next(requests) for _ in range(CHECKS_A_HOP)]
            application.prepare(batch)
            for request in batch:
                application.answer(request, owner=0)

        async def ask() -> None:
            while True:
                await trio.to_thread.run_sync(hop)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            yield
            nursery.cancel_scope.cancel()


def reach(
    clients: int, events: int, given: argparse.Namespace, tls: ssl.SSLContext | None
) -> list[object]:
    """A row: how long a block takes to the last client, idle and busy."""
    blocks = make_blocks(PACED_BLOCKS, events)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(given.rounds):
        for busy, found in seconds.items():
            gc.collect()
            with tempfile.TemporaryDirectory() as directory:
                beside = saturated(Path(directory)) if busy else None
                with Receiver(clients, blocks, tls=tls is not None) as receiver:
                    starts, times = ours(
                        blocks, receiver, tls=tls, pause=PAUSE, beside=beside
                    )
            found += [time - start for start, time in zip(starts, times, strict=True)]
    idle, busy_ = statistics.median(seconds[False]), statistics.median(seconds[True])
    return [
        f"{clients:,} x {events}",
        f"{idle * 1000:.1f} ms",
        f"{busy_ * 1000:.1f} ms",
        report.ratio(busy_, idle),
    ]


def stalled(given: argparse.Namespace, tls: ssl.SSLContext | None) -> None:
    """Print what stalled clients do to latency and memory."""
    print(report.machine(), flush=True)
    for clients in given.clients:
        if given.rounds:
            print(compare_latency(clients, given, tls), flush=True)
        if given.minutes:
            print(watch_memory(clients, given, tls), flush=True)


def self_signed(directory: Path) -> ssl.SSLContext:
    """A context with a certificate that nobody knows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*write_certificate(directory))
    return context


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1_000])
    parser.add_argument("--events", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--deliveries", type=int, default=50_000, help="by aiohttp, a round"
    )
    parser.add_argument("--tls", action="store_true", help="over wss://")
    parser.add_argument("--busy", action="store_true", help="beside saturated CheckTx")
    parser.add_argument(
        "--stalled", action="store_true", help="beside clients that read nothing"
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="of --stalled; 0: no memory"
    )
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # As the daemon runs.
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    row = reach if given.busy else compare
    with tempfile.TemporaryDirectory() as directory:
        tls = self_signed(Path(directory)) if given.tls else None
        if given.stalled:
            stalled(given, tls)
            return 0
        rows = [
            row(clients, events, given, tls)
            for clients in given.clients
            for events in given.events
        ]
    head = ["clients x events", "ours", "aiohttp", "bare"]
    head += ["of aiohttp", "of bare", "longest step", "PSS of one"]
    title = "deliveries a second"
    if given.busy:
        head = ["clients x events", "idle", "busy", "busy / idle"]
        title = "from commit to the last client, median"
    print(report.machine())
    print(report.table(title + (", wss://" if given.tls else ""), head, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
