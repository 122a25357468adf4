"""How long after the node's own `NewBlock` event a follower's subscriber has the block.

    python -m scripts.bench.follow_latency [--blocks N] [--every MS]

A chain without transactions makes a block every so often. One client subscribes to the engine's
`NewBlock` and to the follower's `blocks`, so both times are of one clock and one loop; the follower
is a process of its own. The limit beside it, in a phase without the follower, is a client that asks
for `block_results` and `block` as soon as it has the event, and drops what comes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from scripts.bench import load
from scripts.bench.follow_catch_up import batch, body
from scripts.bench.report import machine, number, table
from scripts.daemon_process import run_daemon
from scripts.engines import build, home, process
from scripts.engines.home import ValidatorHome
from scripts.follower_process import FollowerSettings

SUBSCRIBE = {
    "jsonrpc": "2.0",
    "id": "1",
    "method": "subscribe",
    "params": {"query": "tm.event='NewBlock'"},
}


class Times:
    """When each height came, by either road."""

    def __init__(self) -> None:
        self.theirs: dict[int, float] = {}
        self.ours: dict[int, float] = {}
        self._both = trio.Event()

    def came(self, road: dict[int, float], height: int) -> None:
        road.setdefault(height, trio.current_time())
        self._both.set()

    async def until(self, count: int) -> None:
        while len(self.theirs.keys() & self.ours.keys()) < count:
            self._both = trio.Event()
            await self._both.wait()

    def delays(self) -> list[float]:
        return sorted(
            (self.ours[height] - self.theirs[height]) * 1000
            for height in self.theirs.keys() & self.ours.keys()
        )


async def engine_heights(
    client: WebSocketConnection, came: trio.MemorySendChannel[int]
) -> None:
    """Send on the height of each block that the engine announces."""
    await client.send_message(json.dumps(SUBSCRIBE))
    while True:
        result = json.loads(await client.get_message())["result"]
        if "data" in result:
            block = result["data"]["value"]["block"]
            await came.send(int(block["header"]["height"]))


async def measure(blocks: int, every: int) -> None:
    with tempfile.TemporaryDirectory(prefix="latency-") as name:
        folder = Path(name)
        engine = build.ENGINES[build.DEFAULT]
        rpc, p2p = home.free_ports(2)
        settings: dict[home.Key, home.Value] = {
            ("consensus", "create_empty_blocks"): True,
            ("consensus", "timeout_commit"): f"{every}ms",
        }
        validator = ValidatorHome(folder / "engine", "kvstore", rpc, p2p, settings)
        await home.prepare(engine.binary, validator)
        async with process.run_engine(engine.binary, validator):
            bare = await asked(rpc, blocks)
            follower = FollowerSettings(
                home=folder / "follower", node=[f"http://127.0.0.1:{rpc}"], start="tip"
            )
            async with run_daemon(follower) as running:
                server = running.stream.partition("/api/")[0].rstrip("/")
                ours = await subscribed(rpc, server, blocks)
    rows = [row("bare requests", bare), row("the follower", ours)]
    title = f"milliseconds after the node's NewBlock, {blocks} blocks"
    print(table(title, ["", "median", "p90", "p99", "longest"], rows))


async def asked(rpc: int, blocks: int) -> list[float]:
    """The delays of a client that asks by itself."""
    times = Times()
    sends, receives = trio.open_memory_channel[int](100)
    async with (
        open_websocket_url(f"ws://127.0.0.1:{rpc}/websocket") as client,
        load.wire(rpc) as connection,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(engine_heights, client, sends)
        for _ in range(blocks):
            height = await receives.receive()
            times.came(times.theirs, height)
            # Results come some milliseconds after the event.
            await connection.send(batch(height))
            while b"could not find results" in await body(connection):
                await connection.send(batch(height))
            times.came(times.ours, height)
        nursery.cancel_scope.cancel()
    return times.delays()


async def subscribed(rpc: int, server: str, blocks: int) -> list[float]:
    """The delays of the follower's subscriber."""
    times = Times()
    sends, receives = trio.open_memory_channel[int](100)

    async def theirs() -> None:
        async for height in receives:
            times.came(times.theirs, height)

    async def ours(client: WebSocketConnection) -> None:
        while True:
            message = json.loads(await client.get_message())
            times.came(times.ours, message["height"])

    async with (
        open_websocket_url(f"{server}/api/v1/streams/blocks") as stream,
        open_websocket_url(f"ws://127.0.0.1:{rpc}/websocket") as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(engine_heights, client, sends)
        nursery.start_soon(theirs)
        nursery.start_soon(ours, stream)
        await times.until(blocks)
        nursery.cancel_scope.cancel()
    return times.delays()


def row(name: str, delays: list[float]) -> list[object]:
    cut = statistics.quantiles(delays, n=100)
    return [
        name,
        *map(number, (statistics.median(delays), cut[89], cut[98], delays[-1])),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--every", type=int, default=200, help="milliseconds")
    options = parser.parse_args()
    print(machine())
    trio.run(partial(measure, options.blocks, options.every))


if __name__ == "__main__":
    main()
