"""Kills a follower and the node that it follows, and checks that its subscribers lose nothing.

    python -m scripts.chaos_follow [--kills N] [--node-kills N] [--seed SEED] [--clients N]

An engine with its own key-value store makes blocks of what is sent to it all the time. `trio-stream
follow` and the engine are killed with SIGKILL at random times, and twenty subscribers lose their
connections and resume. At the end the messages that each got, over all its connections, must be
exactly what the node's own `block` and `block_results` say when they are read again: nothing lost,
repeated, out of order, or different; and the log must pass its check. Randomness comes from the
seed, which is printed; timing still differs from run to run.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from scripts import child
from scripts.chaos import Failed, compare
from scripts.chaos_clients import ChaosSubscriber, LibrarySubscriber
from scripts.chaos_follow_chain import CATCH_UP_SECONDS, Chain, known
from scripts.chaos_follow_clients import (
    FollowedBlock,
    FollowWish,
    HandmadeFollower,
    follow_wishes,
)
from scripts.daemon_process import RunningDaemon, start_daemon
from scripts.engines import build, home, process
from scripts.engines.home import ValidatorHome
from scripts.follower_process import FollowerSettings
from trio_stream.log.file import FILE_NAME
from trio_stream.log.followed.verify import verify

logger = logging.getLogger(__name__)

_LIFE = 1.0
"""Seconds that a follower may live, at most, once its doors are open."""


class Chaos:
    """One chain, one follower, its subscribers, and what happens to them."""

    def __init__(
        self, chance: random.Random, chain: Chain, settings: FollowerSettings
    ) -> None:
        self._chance = chance
        self._chain = chain
        self._settings = settings
        self.subscribers: dict[ChaosSubscriber, FollowWish] = {}
        self.blocks: list[FollowedBlock] = []
        self.kills = 0
        self._doomed = 0

    async def run(
        self, *, kills: int, node_kills: int, clients: int, seconds: float
    ) -> None:
        """Kill so often, or for so long, then let everybody catch up. Raises Failed."""
        until = trio.current_time() + seconds
        for number, wish in zip(range(clients), follow_wishes(), strict=False):
            kind = (HandmadeFollower, LibrarySubscriber)[number // 7 % 2]
            one = kind(f"{kind.__name__} {number}", wish, self._settings.stream)
            self.subscribers[one] = wish
        async with child.open_nursery() as nursery:
            for subscriber in self.subscribers:
                nursery.start_soon(subscriber.follow)
            async with child.open_nursery() as living:
                living.start_soon(self._chain.live_and_die)
                while self.kills < kills and trio.current_time() < until:
                    # Spread over all of the follower's deaths.
                    if (self.kills + 1) * node_kills // kills > self._doomed:
                        self._doomed += 1
                        self._chain.doom()
                    await self._live_and_die(self._chance.random() * _LIFE)
                    self.kills += 1
                    logger.info("%d kills, %d messages", self.kills, self._messages())
                with trio.fail_after(CATCH_UP_SECONDS):
                    await self._chain.has_killed(self._doomed)
            await self._live_and_end()

    async def _live_and_die(self, seconds: float) -> None:
        async with child.open_nursery() as nursery:
            follower = await start_daemon(nursery, self._settings)
            await trio.sleep(seconds)
            status = await follower.kill()
            if status != -9:
                raise Failed(f"it died before it was killed: {follower.last_words()}")

    async def _live_and_end(self) -> None:
        async with self._chain.at_rest() as node, child.open_nursery() as nursery:
            self.blocks = await known(node)
            follower: RunningDaemon = await start_daemon(nursery, self._settings)
            for subscriber, wish in self.subscribers.items():
                await self._check(subscriber, wish)
            if await follower.stop() != 0:
                raise Failed(f"it did not end well: {follower.last_words()}")

    async def _check(self, subscriber: ChaosSubscriber, wish: FollowWish) -> None:
        owed = list(wish.owed(self.blocks))
        while (before := len(subscriber.facts)) < len(owed):
            # A slow machine takes its time; who gets nothing for so long is lost.
            with trio.move_on_after(CATCH_UP_SECONDS):
                await subscriber.has(min(len(owed), before + 1))
            if len(subscriber.facts) == before:
                raise Failed(
                    f"{subscriber.name} got {before:,} of {len(owed):,}, and nothing for"
                    f" {CATCH_UP_SECONDS:g} s"
                )
        if isinstance(subscriber, HandmadeFollower) and await subscriber.rest():
            raise Failed(f"{subscriber.name} got more than there is")
        difference = compare(owed, subscriber.facts)
        if difference:
            raise Failed(f"{subscriber.name}: {difference}")

    def _messages(self) -> int:
        return sum(len(each.facts) for each in self.subscribers)


async def run_chaos(
    folder: Path,
    *,
    seed: int,
    kills: int,
    node_kills: int,
    clients: int,
    engine: str = build.DEFAULT,
    seconds: float = math.inf,
) -> str:
    """Do it all in `folder`; returns a summary. Raises Failed."""
    stream, api, rpc, p2p = home.free_ports(4)
    chance = random.Random(seed)
    binary = await process.find_binary(engine)
    validator = ValidatorHome(folder / "engine", "persistent_kvstore", rpc, p2p)
    await home.prepare(binary, validator)
    settings = FollowerSettings(
        home=folder / "follower",
        node=[f"http://127.0.0.1:{rpc}"],
        stream=f"127.0.0.1:{stream}",
        api=f"127.0.0.1:{api}",
    )
    chain = Chain(binary, validator, chance)
    chaos = Chaos(chance, chain, settings)
    await chaos.run(
        kills=kills, node_kills=node_kills, clients=clients, seconds=seconds
    )
    report = await trio.to_thread.run_sync(verify, settings.home / FILE_NAME)
    if report.found:
        raise Failed(f"the log is not whole: {report.findings}")
    facts = sum(len(each.facts) for each in chaos.subscribers)
    transactions = sum(len(each.transactions) for each in chaos.blocks)
    return (
        f"{chaos.kills} kills of the follower and {chain.killed} of {engine}: {clients}"
        f" subscribers received {facts:,} messages of {len(chaos.blocks):,} blocks with"
        f" {transactions:,} transactions; none was lost, none repeated, none out of order,"
        " and all are what the node says; its log is whole"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--node-kills", type=int, default=4)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().getrandbits(32)
    )
    parser.add_argument(
        "--engine", default=build.DEFAULT, help="the name or path of an engine"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="kill no longer than that"
    )
    parser.add_argument("--verbose", action="store_true", help="report every kill")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO if given.verbose else logging.ERROR)
    print(f"seed {given.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            said = trio.run(
                partial(
                    run_chaos,
                    Path(folder),
                    seed=given.seed,
                    kills=given.kills,
                    node_kills=given.node_kills,
                    clients=given.clients,
                    engine=given.engine,
                    seconds=given.seconds,
                )
            )
        except Failed as failed:
            print(f"FAILED, seed {given.seed}: {failed}")
            return 1
        except process.NoEngine as error:
            print(f"chaos: {error}", file=sys.stderr)
            return 1
    print(f"{said} ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
