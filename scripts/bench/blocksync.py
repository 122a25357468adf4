"""How fast a joining node takes in the chain's blocks, and what would be possible.

    python -m scripts.bench.blocksync [--engine cometbft-0.38.26] [--transactions 30000]
    python -m scripts.bench.blocksync --in-process [--profile FILE]

With an engine (`blocksync_engines`): a validator with our daemon makes full blocks, then a second
engine with an empty daemon joins. Beside it the same with the engine's built-in key-value store.

In process: the same blocks, made before the clock starts, come through the ABCI door as engines
send them, each in one FinalizeBlock or its transactions one by one. Beside it bare verification of
as many signatures on one processor, and on all. With --profile the state machine works in the event
loop's own thread, so that one profile holds everything.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import itertools
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import trio

from scripts.bench import blocksync_engines, report
from scripts.bench.blocksync_engines import transactions
from scripts.engines import build
from scripts.signing import Key
from tests.abci.engine_side import DIALECTS, Dialect, encode_request
from tests.fake_engine import GENESIS_TIME
from trio_stream.abci.framing import FrameReader
from trio_stream.abci.messages import (
    BeginBlock,
    Commit,
    DeliverTx,
    EndBlock,
    FinalizeBlock,
    Flush,
    InitChain,
    Request,
)
from trio_stream.commands.running import GC_THRESHOLDS, SWITCH_INTERVAL
from trio_stream.engine.server import AbciServer
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import next_app_hash
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.ed25519 import is_signed

BLOCK = 1_250
"""Transactions in a block of 1 MiB."""
SIGNATURES = 4_000
CACHE_BYTES = 64 * 2**20  # the daemon's default
FRAME_LIMIT = 1 << 27

RunSync = Callable[..., Awaitable[object]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.blocksync")
    parser.add_argument("--engine", default=os.environ.get("ENGINE") or build.DEFAULT)
    parser.add_argument("--transactions", type=int, default=30_000)
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--profile", type=Path, help="where to write it")
    options = parser.parse_args(arguments)
    print(report.machine())
    if not options.in_process:
        measure = blocksync_engines.measure
        print(trio.run(measure, options.engine, options.transactions))
        return 0
    # As the daemon has it.
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    raws = transactions(options.transactions, BLOCK)
    blocks = [raws[start : start + BLOCK] for start in range(0, len(raws), BLOCK)]
    gc.freeze()
    if options.profile:
        profile = cProfile.Profile()
        with profile:
            _taken_in(blocks, "C38", run_sync=_here)
        profile.dump_stats(options.profile)
        return 0
    print(in_process(blocks))
    return 0


def in_process(blocks: Sequence[Sequence[bytes]]) -> str:
    """The table, from recorded blocks."""
    count = sum(map(len, blocks))
    processors = len(os.sched_getaffinity(0))
    one, limit = _verifications(1), _verifications(processors)
    rows = []
    for what, name in ("FinalizeBlock (0.38)", "C38"), ("DeliverTx (0.34)", "T34"):
        took = _taken_in(blocks, name)
        used = 1e6 * took.processor / count
        rows.append(_row(what, count / took.seconds, one, used))
    rows.append(_row("bare verification", one, one, 1e6 / one))
    rows.append(_row(f"the same, {processors} threads", limit, one, 1e6 / one))
    title = f"Recorded blocks through the ABCI door: {len(blocks)} of {BLOCK:,}"
    return report.table(title, ["", "tx/s", "of the least", "processor us/tx"], rows)


def _row(what: str, rate: float, limit: float, microseconds: float) -> list[str]:
    used = report.number(microseconds)
    return [what, report.number(rate), report.ratio(rate, limit), used]


def _verifications(threads: int) -> float:
    """Signatures that so many threads verify in a second."""
    key, message = Key.from_seed(bytes(32)), bytes(32)
    signature, public = key.sign(message), bytes(key.secret.verify_key)

    def verify(count: int) -> None:
        for _ in range(count):
            assert is_signed(message, signature, public)

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(verify, [SIGNATURES] * threads))
        return threads * SIGNATURES / (time.perf_counter() - began)


def _taken_in(
    blocks: Sequence[Sequence[bytes]],
    name: str,
    *,
    run_sync: RunSync = trio.to_thread.run_sync,
) -> _Took:
    """What it takes until all blocks are durable in an empty log."""
    dialect = DIALECTS[name]
    steps = _steps(blocks, dialect)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        home = stack.enter_context(tempfile.TemporaryDirectory())
        log = stack.enter_context(CommitLog.open(Path(home)))
        application = Application(log, _cache(threads), version="bench")
        server = AbciServer(
            application,
            on_commit=lambda height: None,
            frame_limit=FRAME_LIMIT,
            run_sync=run_sync,
        )
        took = trio.run(_feed, server, steps, dialect)
        tip = log.tip()
        assert tip is not None and tip.app_hash == _hashes(blocks)[-1]
    return took


def _cache(threads: ThreadPoolExecutor) -> CandidateCache:
    """As the daemon makes it."""
    lock = threading.Lock()
    return CandidateCache(CACHE_BYTES, lock=lock, in_parallel=threads.map)


class _Took(NamedTuple):
    seconds: float
    processor: float


@dataclass(frozen=True, slots=True)
class _Step:
    """What an engine sends at once, and how many answers it waits for."""

    data: bytes
    answers: int


def _steps(blocks: Sequence[Sequence[bytes]], dialect: Dialect) -> list[_Step]:
    state = b'{"start_hash": "empty"}'
    begin = InitChain(GENESIS_TIME, "bench", (), state, 1, signed=False)
    steps = [_step([begin], dialect)]
    before = ""
    for height, (raws, after) in enumerate(zip(blocks, _hashes(blocks)), 1):
        if dialect.finalizes:
            steps.append(_step([FinalizeBlock(raws, height, GENESIS_TIME)], dialect))
        else:
            begun = BeginBlock("bench", height, GENESIS_TIME, before.encode())
            steps.append(_step([begun], dialect))
            steps.append(_step([*map(DeliverTx, raws), EndBlock(height)], dialect))
        steps.append(_step([Commit()], dialect))
        before = after
    return steps


def _step(requests: Sequence[Request], dialect: Dialect) -> _Step:
    asked = [*requests, Flush()]
    data = b"".join([encode_request(each, dialect) for each in asked])
    return _Step(data, len(asked))


def _hashes(blocks: Sequence[Sequence[bytes]]) -> list[str]:
    """The app hash after each block, every transaction of which is valid."""
    ids = [[json.loads(raw)["id"] for raw in raws] for raws in blocks]
    return list(itertools.accumulate(ids, next_app_hash, initial=""))[1:]


async def _feed(server: AbciServer, steps: Sequence[_Step], dialect: Dialect) -> _Took:
    """What it takes until each step is answered, sent when the one before was."""
    ours, theirs = map(trio.socket.from_stdlib_socket, socket.socketpair())
    frames = FrameReader(limit=FRAME_LIMIT, framing=dialect.codec.framing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handle, trio.SocketStream(ours))
        engine = trio.SocketStream(theirs)
        began, used = time.perf_counter(), time.process_time()
        for step in steps:
            nursery.start_soon(engine.send_all, step.data)
            due = step.answers
            while due:
                if frames.next_frame() is None:
                    frames.feed(await engine.receive_some())
                else:
                    due -= 1
        took = _Took(time.perf_counter() - began, time.process_time() - used)
        await engine.aclose()
    return took


async def _here(work: Callable[[], object], *, limiter: trio.CapacityLimiter) -> object:
    """In place of `trio.to_thread.run_sync`."""
    await trio.lowlevel.checkpoint()
    return work()


if __name__ == "__main__":
    sys.exit(main())
