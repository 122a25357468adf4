"""`bench.fanout --stalled`: what clients that read nothing cost the others, and the machine.

Blocks of ten events come ten times a second, for as long as a minute or so to compare how long each
takes to each client that reads, with and without a tenth that does not; and for `--minutes`, to
see what memory does. The stalled ones are not cut meanwhile, which they would be after a minute.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import trio

from scripts.bench import report
from scripts.bench.fanout_ours import ours
from scripts.bench.fanout_senders import Receiver, make_blocks
from trio_stream.websocket.limits import WebSocketLimits

PAUSE = 0.1
EVENTS = 10
SHARE = 10  # of so many clients one is stalled
# What is asked of the figures, beside which it is printed.
LATENCY_LIMIT = 1.2
GROWTH_LIMIT = 1.05
SETTLED_MINUTES = 2.0

_COMPARED_BLOCKS = 150
_SO_MEMINFO = 55  # asm-generic/socket.h; Python has no name for it
_MEMINFO = struct.Struct("9I")
# So small that it is full long before the first look.
_TAIL_BYTES = 1 << 20
_PATIENT = WebSocketLimits(stall_timeout=24 * 3600)


class Memory(NamedTuple):
    """Bytes: of our process, and what the kernel holds for its sockets."""

    process: int
    sockets: int


def process_bytes() -> int:
    """The proportional set size of this process (proc_pid_smaps(5))."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line[:4] == "Pss:") << 10


def socket_bytes() -> int:
    """What the kernel has allocated for the TCP connections of this process."""
    total = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                if one.family == socket.AF_INET:
                    info = one.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
                    # sock_diag(7): received, (limit), sent, (limit), reserved, queued, ...
                    received, _, _, _, reserved, queued, *_ = _MEMINFO.unpack(info)
                    total += received + reserved + queued
        except OSError:
            continue  # closed meanwhile
    return total


def latencies(
    clients: int, stalled: int, tls: ssl.SSLContext | None, blocks: int
) -> list[float]:
    """How long each block took to each client that reads."""
    made = make_blocks(blocks, EVENTS)
    gc.collect()
    with Receiver(
        clients, made, tls=tls is not None, stalled=stalled, each=True
    ) as receiver:
        starts, _ = ours(made, receiver, tls=tls, pause=PAUSE, limits=_PATIENT)
    return [
        arrival - start
        for start, arrivals in zip(starts, receiver.arrivals, strict=True)
        for arrival in arrivals
    ]


def compare_latency(
    clients: int, given: argparse.Namespace, tls: ssl.SSLContext | None
) -> str:
    """The table of delivery to those who read; the rounds take turns."""
    found: dict[int, list[float]] = {0: [], clients // SHARE: []}
    for _ in range(given.rounds):
        for stalled, times in found.items():
            # As many read in both.
            reading = clients - clients // SHARE
            times += latencies(reading + stalled, stalled, tls, _COMPARED_BLOCKS)
    without, beside = found.values()
    rows = []
    for name, share in (("median", 0.5), ("p99", 0.99)):
        two = [sorted(times)[int(len(times) * share)] for times in (without, beside)]
        ratio, limit = report.ratio(two[1], two[0]), f"{LATENCY_LIMIT:.2f}x"
        cells = [f"{seconds * 1000:.2f} ms" for seconds in two]
        rows.append([name, *cells, ratio, limit if name == "p99" else ""])
    title = f"From commit to each of {clients - clients // SHARE:,} clients that read"
    head = ["", "alone", f"beside {clients // SHARE:,} stalled", "ratio", "limit"]
    return report.table(title, head, rows)


def watch_memory(
    clients: int, given: argparse.Namespace, tls: ssl.SSLContext | None
) -> str:
    """The table of memory over the minutes."""
    blocks = make_blocks(int((given.minutes * 60 + 5) / PAUSE), EVENTS)
    found: list[Memory] = []

    @asynccontextmanager
    async def sampled() -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sample)
            yield
            nursery.cancel_scope.cancel()

    async def sample() -> None:
        begin = trio.current_time()
        for minutes in (min(SETTLED_MINUTES, given.minutes / 2), given.minutes):
            await trio.sleep_until(begin + minutes * 60)
            gc.collect()
            found.append(Memory(process_bytes(), socket_bytes()))

    stalled = clients // SHARE
    gc.collect()
    with Receiver(clients, blocks, tls=tls is not None, stalled=stalled) as receiver:
        ours(
            blocks,
            receiver,
            tls=tls,
            pause=PAUSE,
            beside=sampled(),
            limits=_PATIENT,
            tail_bytes=_TAIL_BYTES,
        )
    rows = []
    for name, early, late in zip(("PSS", "TCP memory"), *found, strict=True):
        cells = [f"{size / (1 << 20):.1f} MiB" for size in (early, late)]
        ratio = report.ratio(late, early)
        rows.append([name, *cells, ratio, f"{GROWTH_LIMIT:.2f}x"])
    settled = min(SETTLED_MINUTES, given.minutes / 2)
    title = f"Memory beside {stalled:,} stalled of {clients:,} clients"
    head = ["", f"minute {settled:g}", f"minute {given.minutes:g}", "ratio", "limit"]
    return report.table(title, head, rows)
