"""Is hard on a network of four nodes, and checks that their streams are one and nothing is lost.

    python -m scripts.devnet.chaos [--seconds N] [--seed SEED] [--clients N] [--engine NAME]

Four validators and four daemons run, each pair in a network namespace of its own where the system
permits that. Transactions are posted to all of them, and subscribers follow the streams, moving
between the nodes with their positions, while programs are killed, stopped and frozen and links are
cut, at up to two nodes at once. When that is over and the nodes have caught up, everything that
each subscriber got must be exactly what the engine's blocks hold, and the streams and logs of the
four daemons must be identical. Randomness comes from the seed, which is printed; timing still
differs from run to run.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from scripts import child
from scripts.chaos import Failed, compare
from scripts.chaos_clients import (
    ChaosSubscriber,
    HandmadeSubscriber,
    LibrarySubscriber,
    wishes,
)
from scripts.devnet import evidence
from scripts.devnet.incidents import Incidents
from scripts.devnet.isolation import Isolation, enter, is_permitted
from scripts.devnet.node import HERE, Node, Place, prepare
from scripts.devnet.sender import PEOPLE, Sender
from scripts.engines import build, home, process
from scripts.engines.process import NOT_THERE, RpcError
from scripts.ports import Ports

NODES = (1, 2, 3, 4)
EXPECTED = (0, -9)
"""How a daemon may end: in good order, or by SIGKILL."""
AT_ONCE = 2
"""With more nodes in trouble the chain stands still for most of the time."""
BETWEEN = (0.5, 10.0)
"""Seconds between the beginnings of two incidents."""
POST_PAUSE = 0.2
POSTERS = 4
PATIENCE = 4.0
"""After at most so many seconds, a handmade subscriber moves to the next node."""
CATCH_UP_SECONDS = 400.0

# A block a moment after another leaves a small machine time for everything else.
CONSENSUS = {"timeout_commit": "200ms", "timeout_propose": "1s"}


class Network:
    """The nodes, their subscribers, and what happens to them."""

    def __init__(
        self,
        nodes: Sequence[Node],
        chance: random.Random,
        isolation: Isolation | None,
        say: Callable[[str], None],
    ) -> None:
        self.nodes = nodes
        self.incidents = Incidents(chance, isolation)
        self.sender = Sender(nodes, chance)
        self.subscribers: list[ChaosSubscriber] = []
        self._chance = chance
        self._say = say

    def subscribe(self, count: int) -> None:
        """Make so many subscribers that move between all nodes, and one of each node alone."""
        addresses = [node.settings.stream for node in self.nodes]
        kinds = wishes(str(self.sender.asset["id"]), PEOPLE[0].public)
        for number, wish in zip(range(count), kinds, strict=False):
            kind = (HandmadeSubscriber, LibrarySubscriber)[number // 7 % 2]
            # Each begins at another node.
            order = [*addresses[number % 4 :], *addresses[: number % 4]]
            one = kind(f"{kind.__name__} {number}", wish, *order)
            if isinstance(one, HandmadeSubscriber):
                one.patience = PATIENCE
            self.subscribers.append(one)
        for node, wish in zip(self.nodes, kinds, strict=False):
            name = f"subscriber of node {node.number} alone"
            self.subscribers.append(LibrarySubscriber(name, wish, node.settings.stream))

    async def begun(self) -> None:
        """Wait until all nodes run."""

        async def up() -> bool | None:
            for node in self.nodes:
                if node.daemon is None or node.engine is None:
                    return None
                try:
                    await node.engine.rpc.height()
                except NOT_THERE:
                    return None
            return True

        await child.poll(up, seconds=CATCH_UP_SECONDS, what="network")
        self._say("all nodes are up")

    async def suffer(self, seconds: float) -> None:
        """Post, follow the streams and let incidents happen for so long; then let all catch up."""
        async with child.open_nursery() as work:
            for subscriber in self.subscribers:
                work.start_soon(subscriber.follow)
            async with child.open_nursery() as posting:
                posting.start_soon(partial(self.sender.run, POST_PAUSE, tasks=POSTERS))
                await self._let_happen(seconds)
                self._say("no more incidents")
                await trio.sleep(5)
            tip = await self._settled()
            self._say(f"all nodes have block {tip}")
            await self._check(tip)

    async def _let_happen(self, seconds: float) -> None:
        healthy = list(self.nodes)
        room = trio.Semaphore(AT_ONCE)

        async def one(kind: str, node: Node) -> None:
            self._say(f"node {node.number}: {kind}")
            await self.incidents.happen(kind, node)
            healthy.append(node)
            room.release()

        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for kind in self.incidents.choose():
                    await room.acquire()
                    node = healthy.pop(self._chance.randrange(len(healthy)))
                    nursery.start_soon(one, kind, node)
                    await trio.sleep(self._chance.uniform(*BETWEEN))

    async def _settled(self) -> int:
        """The height at which all nodes have nothing left to do."""

        async def at_rest() -> int | None:
            found = set()
            for node in self.nodes:
                if node.engine is None or node.daemon is None:
                    return None
                try:
                    status = (await node.engine.rpc.call("status"))["sync_info"]
                    height, app_hash = await node.engine.rpc.application()
                except (RpcError, *NOT_THERE):
                    return None
                theirs = int(status["latest_block_height"]), status["latest_app_hash"]
                found.add((height, theirs == (height, app_hash.hex().upper())))
            (first, equal), *others = found
            return first if equal and not others else None

        return await child.poll(
            at_rest, seconds=CATCH_UP_SECONDS, what="end of activity on the chain"
        )

    async def _check(self, tip: int) -> None:
        engine = self.nodes[0].engine
        assert engine is not None
        blocks = await evidence.blocks(engine, tip)
        for subscriber in self.subscribers:
            owed = list(subscriber.wish.owed(blocks))
            with trio.move_on_after(CATCH_UP_SECONDS):
                await subscriber.has(len(owed))
            if difference := compare(owed, subscriber.facts):
                raise Failed(f"{subscriber.name}: {difference}")
        found = await evidence.streams([node.settings.stream for node in self.nodes])
        self._say(f"four identical streams: {found}")


async def run_chaos(
    folder: Path,
    *,
    seed: int,
    seconds: float,
    clients: int,
    binary: Path,
    isolated: bool,
    say: Callable[[str], None],
) -> str:
    """Do it all in `folder`; returns a summary. Raises Failed."""
    chance = random.Random(seed)
    async with child.open_nursery() as nursery:
        isolation = Isolation() if isolated else None
        if isolation is not None:
            await isolation.open(nursery, NODES)
        nodes = [_node(number, binary, folder, isolation, say) for number in NODES]
        await prepare(binary, nodes)
        network = Network(nodes, chance, isolation, say)
        network.subscribe(clients)
        for node in nodes:
            nursery.start_soon(node.run)
        await network.begun()
        await network.suffer(seconds)
        for node in nodes:
            await node.stop()
    logs = evidence.logs([node.settings.home / "log.db" for node in nodes])
    facts = sum(len(each.facts) for each in network.subscribers)
    moving = [
        each.connections
        for each in network.subscribers
        if isinstance(each, HandmadeSubscriber)
    ]
    happened = ", ".join(
        f"{count} x {kind}" for kind, count in sorted(network.incidents.done.items())
    )
    return (
        f"{network.incidents.done.total()} incidents under {binary.parent.name}"
        f" ({happened}); four identical logs: {logs};"
        f" {len(network.subscribers)} subscribers received {facts:,} messages,"
        f" {len(moving)} of them over {sum(moving):,} connections to one node after the other:"
        " none was lost, none repeated, none out of order"
    )


def _node(
    number: int,
    binary: Path,
    folder: Path,
    isolation: Isolation | None,
    say: Callable[[str], None],
) -> Node:
    return Node(
        number,
        binary,
        folder / f"node{number}",
        Ports(*home.free_ports(5)),
        say=say,
        place=HERE if isolation is None else Place.isolated(number, isolation),
        consensus=CONSENSUS,
        expected=EXPECTED,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.devnet.chaos", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=28)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().getrandbits(32)
    )
    parser.add_argument("--engine", default=os.environ.get("ENGINE") or build.DEFAULT)
    parser.add_argument(
        "--no-namespaces", action="store_true", help="cut no links, freeze instead"
    )
    parser.add_argument("--folder", type=Path, help="keep everything there")
    parser.add_argument("--verbose", action="store_true", help="report what happens")
    given = parser.parse_args(arguments)
    isolated = not given.no_namespaces and is_permitted()
    try:
        # Built now if need be: a namespace has no way to the world.
        binary = trio.run(process.find_binary, given.engine)
    except process.NoEngine as error:
        print(f"devnet: {error}", file=sys.stderr)
        return 1
    if isolated:
        enter("scripts.devnet.chaos", sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO if given.verbose else logging.ERROR)
    where = "in namespaces" if isolated else "without namespaces"
    print(f"seed {given.seed}, {where}", flush=True)
    began = time.monotonic()

    def say(line: str) -> None:
        if given.verbose:
            print(f"{time.monotonic() - began:7.1f} {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="devnet-") as temporary:
        try:
            said = trio.run(
                partial(
                    run_chaos,
                    (given.folder or Path(temporary)).absolute(),
                    seed=given.seed,
                    seconds=given.seconds,
                    clients=given.clients,
                    binary=binary,
                    isolated=isolated,
                    say=say,
                )
            )
        except (Failed, child.ChildEnded, TimeoutError) as failed:
            print(f"FAILED, seed {given.seed}: {failed}")
            return 1
    print(f"{said} ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
