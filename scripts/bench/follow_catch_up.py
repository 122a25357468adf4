"""How fast a follower catches up, beside a bare loop of the same requests to the same node.

    python -m scripts.bench.follow_catch_up [--blocks N] [--transactions N] [--rounds N]

An engine with its built-in key-value store makes so many blocks of about so many transactions, then
rests. In turn the bare loop asks for all heights, a batch of `block_results` and `block` for each,
over as many connections as the follower has requests in flight, and drops the answers; and a
follower with an empty log reads, checks and commits them. The loop is shown over one connection
too: on two processors, several connections take all of them for the node alone. `ours` is the
processor time of the follower's process, which other programs on the machine don't change.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import trio

from scripts.bench import load
from scripts.bench.report import machine, number, ratio, table
from scripts.engines import build, home, process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import RunningEngine
from trio_stream.cometbft.followed import FollowedTip
from trio_stream.commands.running import GC_THRESHOLDS, SWITCH_INTERVAL
from trio_stream.follower.follower import Follower
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.log.followed.writer import FollowedLog

IN_FLIGHT = FollowSettings().in_flight


class Enough(Exception):
    """The follower is at the tip."""


async def fill(node: RunningEngine, blocks: int, transactions: int) -> int:
    """Make so many blocks; the last height."""
    sent = 0
    while (height := await node.rpc.height()) < blocks:
        some = [broadcast(number) for number in range(sent, sent + transactions)]
        sent += transactions
        await load.post_all(node.rpc.port, some, b'"code":0')
    return height


def broadcast(number: int) -> bytes:
    tx = b64encode(b"key%d=%064d" % (number, number)).decode()
    call = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync"}
    return load.post("/", json.dumps({**call, "params": {"tx": tx}}).encode())


def batch(height: int) -> bytes:
    """The follower's request for a height."""
    calls = [
        {
            "jsonrpc": "2.0",
            "id": id,
            "method": method,
            "params": {"height": f"{height}"},
        }
        for id, method in ((1, "block_results"), (2, "block"))
    ]
    return load.post("/", json.dumps(calls).encode())


async def bare(port: int, last: int, connections: int) -> tuple[float, int]:
    """The seconds for all heights, and the bytes of the answers."""
    heights = iter(range(1, last + 1))
    size = 0

    async def ask() -> None:
        nonlocal size
        async with load.wire(port) as connection:
            for height in heights:
                await connection.send(batch(height))
                answer = await body(connection)
                size += len(answer)

    started = time.monotonic()
    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(ask)
    return time.monotonic() - started, size


async def body(connection: load.Wire) -> bytes:
    """The body of an answer, in pieces if it is long."""
    head = (await connection.until(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return await connection.exactly(length)
    # JSON has no such bytes in it.
    return await connection.until(b"\r\n0\r\n\r\n")


async def followed(port: int, last: int, folder: Path) -> tuple[float, float]:
    """The seconds in which a new log has all heights, and those of our processor time."""

    def advance(tip: FollowedTip) -> None:
        if tip.height >= last:
            raise Enough

    node = Node(f"http://127.0.0.1:{port}", NodeSettings(rate=1e6))
    settings = FollowSettings(start="earliest")
    with FollowedLog.open(folder) as log:
        follower = Follower([node], log, settings, advance=advance)
        started, before = time.monotonic(), time.process_time()
        try:
            await follower.run()
        except* Enough:
            pass
        return time.monotonic() - started, time.process_time() - before


async def measure(blocks: int, transactions: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="catch-up-") as name:
        folder = Path(name)
        engine = build.ENGINES[build.DEFAULT]
        rpc, p2p = home.free_ports(2)
        validator = ValidatorHome(folder / "engine", "kvstore", rpc, p2p)
        await home.prepare(engine.binary, validator)
        async with process.run_engine(engine.binary, validator) as node:
            last = await fill(node, blocks, transactions)
            rows = [row async for row in compare(rpc, last, folder, rounds)]
    connections = f"{IN_FLIGHT} connections"
    head = ["round", "bare, 1 connection", connections, "follower", "to 1", "to all"]
    head.append("ours, ms a height")
    print(table(f"heights per second, of {last:,}", head, rows))


async def compare(
    port: int, last: int, folder: Path, rounds: int
) -> AsyncIterator[list[object]]:
    for each in range(rounds):
        one, _ = await bare(port, last, 1)
        several, size = await bare(port, last, IN_FLIGHT)
        ours, spent = await followed(port, last, folder / f"log{each}")
        yield [
            f"{each + 1}: {size / last / 1e3:.1f} kB each",
            *(number(last / seconds) for seconds in (one, several, ours)),
            ratio(one, ours),
            ratio(several, ours),
            number(1000 * spent / last),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--transactions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    # As the daemon has them.
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    trio.run(measure, options.blocks, options.transactions, options.rounds)


if __name__ == "__main__":
    main()
