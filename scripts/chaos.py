"""Kills the daemon with SIGKILL at random times, and checks that its subscribers lose nothing.

    python -m scripts.chaos [--kills N] [--seed SEED] [--engine NAME] [--clients N]

Blocks are made all the time, by a stand-in that speaks ABCI or by a real engine (`--engine
cometbft-0.38.26`), and twenty subscribers follow them, losing their connections with every kill and
resuming. At the end the messages that each got, over all its connections, must be exactly what the
chain's blocks hold: nothing lost, repeated, or out of order. Randomness comes from the seed, which
is printed; timing still differs from run to run.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from scripts import child
from scripts.chaos_clients import (
    ChaosSubscriber,
    HandmadeSubscriber,
    LibrarySubscriber,
    wishes,
)
from scripts.chaos_engines import ALICE, GONE, BlockMaker, RealEngine, StandIn
from scripts.daemon_process import RunningDaemon, Settings, start_daemon
from scripts.engines import home, process

logger = logging.getLogger(__name__)

STAND_IN = "stand-in"

_CATCH_UP_SECONDS = 120.0


class Failed(Exception):
    """A subscriber did not get what it is owed."""


class Chaos:
    """One chain, its subscribers, and what happens to them."""

    def __init__(
        self, chance: random.Random, engine: BlockMaker, settings: Settings
    ) -> None:
        self._chance = chance
        self._engine = engine
        self._settings = settings
        self.subscribers: list[ChaosSubscriber] = []

    async def run(self, *, kills: int, clients: int) -> None:
        """Kill the daemon so often, then let everybody catch up. Raises Failed."""
        kinds = wishes(str(self._engine.asset["id"]), ALICE.public)
        for number, wish in zip(range(clients), kinds, strict=False):
            kind = (HandmadeSubscriber, LibrarySubscriber)[number // 7 % 2]
            one = kind(f"{kind.__name__} {number}", wish, self._settings.stream)
            self.subscribers.append(one)
        async with child.open_nursery() as nursery:
            for subscriber in self.subscribers:
                nursery.start_soon(subscriber.follow)
            for number in range(kills):
                await self._live_and_die(self._chance.random() * self._engine.life)
                logger.info("%d kills, %d messages", number + 1, self._messages())
            await self._live_and_end()

    async def _live_and_die(self, seconds: float) -> None:
        killed = False

        async def drive(daemon: RunningDaemon) -> None:
            try:
                await self._engine.drive(daemon)
            except GONE:
                if not killed:
                    raise
            if not killed:
                raise Failed("the engine exited while the daemon was running")

        async with child.open_nursery() as nursery:
            daemon = await start_daemon(nursery, self._settings)
            nursery.start_soon(drive, daemon)
            await trio.sleep(seconds)
            killed = True
            status = await daemon.kill()
            assert status == -9, f"it died before it was killed: {daemon.last_words()}"

    async def _live_and_end(self) -> None:
        async with child.open_nursery() as nursery:
            daemon = await start_daemon(nursery, self._settings)
            await self._engine.finish(daemon)
            for subscriber in self.subscribers:
                await self._check(subscriber)
            assert await daemon.stop() == 0, daemon.last_words()

    async def _check(self, subscriber: ChaosSubscriber) -> None:
        owed = list(subscriber.wish.owed(self._engine.blocks))
        with trio.move_on_after(_CATCH_UP_SECONDS):
            await subscriber.has(len(owed))
        if isinstance(subscriber, HandmadeSubscriber) and await subscriber.rest():
            raise Failed(f"{subscriber.name} got more than there is")
        difference = compare(owed, subscriber.facts)
        if difference:
            raise Failed(f"{subscriber.name}: {difference}")

    def _messages(self) -> int:
        return sum(len(each.facts) for each in self.subscribers)


def compare(owed: Sequence[object], received: Sequence[object]) -> str:
    """How the messages that were received differ from those owed; empty if they don't."""
    if list(owed) == list(received):
        return ""
    lost = len(set(owed) - set(received))
    repeated = len(received) - len(set(received))
    strange = len(set(received) - set(owed))
    place = next(
        (at for at, (a, b) in enumerate(zip(owed, received, strict=False)) if a != b),
        min(len(owed), len(received)),
    )
    return (
        f"{lost} of {len(owed)} lost, {repeated} repeated, {strange} never owed;"
        f" the first difference is at {place}:"
        f" {owed[place : place + 2]} was owed, {received[place : place + 2]} was received"
    )


async def run_chaos(
    folder: Path, *, seed: int, kills: int, clients: int, engine: str = STAND_IN
) -> str:
    """Do it all in `folder`; returns a summary. Raises Failed."""
    abci, stream, api, node = home.free_ports(4)
    settings = Settings(
        home=folder / "daemon",
        abci=f"tcp://127.0.0.1:{abci}",
        stream=f"127.0.0.1:{stream}",
        api=f"127.0.0.1:{api}",
        node=f"http://127.0.0.1:{node}",
    )
    chance = random.Random(seed)
    maker: BlockMaker
    if engine == STAND_IN:
        maker = StandIn(chance)
    else:
        binary = await process.find_binary(engine)
        maker = await RealEngine.prepared(binary, folder, settings)
    chaos = Chaos(chance, maker, settings)
    await chaos.run(kills=kills, clients=clients)
    facts = sum(len(each.facts) for each in chaos.subscribers)
    return (
        f"{kills} kills of the daemon under {engine}: {clients} subscribers received"
        f" {facts:,} messages of {len(maker.blocks):,} blocks;"
        " none was lost, none repeated, none out of order"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().getrandbits(32)
    )
    parser.add_argument(
        "--engine",
        default=STAND_IN,
        help=f"{STAND_IN}, or the name or path of an engine",
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
                    clients=given.clients,
                    engine=given.engine,
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
