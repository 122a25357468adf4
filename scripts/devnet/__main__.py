"""Four validators and four daemons on this machine, their streams compared live: `make devnet`.

Transactions are posted to all of them, and each event that one daemon streams must come from the
other three too, in the same place and with the same content. Whoever likes may kill, stop or freeze
any of the processes: what ends is started again, and what was missed is caught up. Ctrl-C stops
everything; the next start goes on with the same chain.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import trio

from scripts import child
from scripts.devnet.comparison import Comparison, Differs
from scripts.devnet.node import Node, prepare
from scripts.devnet.screen import Row, Screen
from scripts.devnet.sender import Sender
from scripts.engines import build, home, process
from scripts.engines.home import BadHome
from scripts.engines.process import NOT_THERE
from scripts.ports import Ports
from trio_stream.client import open_stream

NODES = (1, 2, 3, 4)
FIRST = (21984, 21985, 21658, 21657, 21656)
"""The ports of the first node; each next one has them a thousand higher."""
LOOK_PERIOD = 0.5
MOST_UNDER_WAY = 10_000
"""The posts whose delay is measured; of more, the oldest are forgotten."""


class Devnet:
    """The nodes, and what is known about their streams."""

    def __init__(self, binary: Path, folder: Path, count: int | None) -> None:
        self.enough = trio.Event()
        """Set once so many events are the same everywhere."""
        self.nodes = [
            Node(number, binary, folder / f"node{number}", each, say=self._say)
            for number, each in zip(NODES, ports(), strict=True)
        ]
        self.comparison = Comparison([str(node.number) for node in self.nodes])
        self.rows = [
            Row(str(node.number), f"http://{node.settings.api}/") for node in self.nodes
        ]
        title = (
            f"{len(NODES)} validators ({binary.parent.name}) and daemons in {folder};"
            " Ctrl-C stops them.\nKill or freeze any (kill -9 PID, kill -STOP PID): it is started"
            " again, or goes on (kill -CONT PID), and catches up."
        )
        self.screen = Screen(title, self.rows, self.comparison)
        self.sender = Sender(self.nodes, random.Random(), self._posted)
        self._binary = binary
        self._count = count
        self._posted_at: dict[str, float] = {}

    async def start(self, nursery: trio.Nursery, *, pause: float) -> None:
        """Start everything in `nursery`."""
        await prepare(self._binary, self.nodes)
        for node, row in zip(self.nodes, self.rows, strict=True):
            nursery.start_soon(node.run)
            nursery.start_soon(self.follow, node, row)
            nursery.start_soon(self.look, node, row)
        nursery.start_soon(self.sender.run, pause)
        nursery.start_soon(self.screen.run)

    async def follow(self, node: Node, row: Row) -> None:
        """Compare what this node streams, from its first event on."""
        url = f"ws://{node.settings.stream}"
        async with open_stream(url, after="earliest", detail="full") as events:
            async for event in events:
                await self.comparison.take(row.name, repr(event))
                if posted := self._posted_at.get(str(event["transaction_id"])):
                    row.delay = trio.current_time() - posted
                if self._count is not None and self.comparison.agreed >= self._count:
                    self.enough.set()

    async def look(self, node: Node, row: Row) -> None:
        """Keep the row of this node up to date."""
        while True:
            daemon, engine = node.daemon, node.engine
            row.daemon = None if daemon is None else daemon.pid
            row.engine = None if engine is None else engine.pid
            row.height = None
            if daemon is not None:
                with trio.move_on_after(2):
                    try:
                        answer = await daemon.http("GET", "/api/v1/status")
                        row.height = answer.json()["height"]
                    except NOT_THERE:
                        row.delay = None
            await trio.sleep(LOOK_PERIOD)

    def _posted(self, transaction_id: str) -> None:
        if len(self._posted_at) >= MOST_UNDER_WAY:
            self._posted_at.pop(next(iter(self._posted_at)))
        self._posted_at.setdefault(transaction_id, trio.current_time())

    def _say(self, line: str) -> None:
        self.screen.say(line)


def ports() -> list[Ports]:
    """For each node ports whose last three digits are the usual ones, or free ones for all."""
    usual = [Ports(*(1000 * n + each for each in FIRST)) for n in range(len(NODES))]
    taken = [
        str(port) for each in usual for port in astuple(each) if not home.is_free(port)
    ]
    if not taken:
        return usual
    print(f"using other ports, because these are taken: {', '.join(taken)}", flush=True)
    free = home.free_ports(len(FIRST) * len(NODES))
    return [Ports(*(free.pop() for _ in FIRST)) for _ in NODES]


async def run(options: argparse.Namespace) -> None:
    folder = options.home.absolute()
    devnet = Devnet(await process.find_binary(options.engine), folder, options.count)
    async with child.open_nursery() as nursery:
        async with child.until_signal():
            await devnet.start(nursery, pause=options.pause)
            await devnet.enough.wait()
        devnet.screen.say("stopping")
        async with trio.open_nursery() as stopping:
            for node in devnet.nodes:
                stopping.start_soon(node.stop)
    print(
        f"devnet: {devnet.comparison.agreed:,} events were the same in all streams;"
        " all nodes have stopped",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.devnet",
        description="Run four validators and four daemons, and compare their streams live.",
    )
    parser.add_argument(
        "--engine",
        default=os.environ.get("ENGINE") or build.DEFAULT,
        help="a name from `python -m scripts.engines.build --list`, or a binary (default: $ENGINE)",
    )
    parser.add_argument("--home", type=Path, default=Path("trio_stream_devnet"))
    parser.add_argument("--count", type=int, help="stop after this many events")
    parser.add_argument(
        "--pause", type=float, default=0.5, help="seconds between posts"
    )
    options = parser.parse_args(arguments)
    # The clients' reconnections are seen in the table.
    logging.basicConfig(level=logging.ERROR)
    try:
        trio.run(run, options)
    except (process.NoEngine, BadHome, Differs) as error:
        print(f"devnet: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
