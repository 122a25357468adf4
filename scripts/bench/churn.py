"""Subscribers who come and go at random while blocks are committed, and others who stay.

    python -m scripts.bench.churn [--seconds 600] [--subscribers 1500]
        [--wanderers 1000] [--seed SEED]

A stand-in for the engine decides blocks all the time. Those who wander subscribe with a filter,
stay some seconds, leave in the middle of whatever is being sent, and come again with another one.
Those who stay take everything. In the end the daemon must live, and each who stayed must have, byte
by byte, what the chain's blocks hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import trio

from scripts import child
from scripts.chaos import Failed, compare
from scripts.chaos_clients import Fact, Wish, wishes
from scripts.chaos_engines import ALICE, GONE, StandIn
from scripts.daemon_process import RunningDaemon, Settings, start_daemon
from scripts.raw_stream import RawStream, open_raw_stream
from trio_stream.stream.frames import text_frame

# Between two blocks on average half of it: each costs a system call a subscriber.
_BLOCK_PAUSE = 0.2
# A pass over those who stay lets others run if it takes long.
_LARGE_EVERY = 3
# What wandering costs is mostly to connect.
_STAY_SECONDS = 8.0
# All at once they would not be let in before the handshake's deadline on a slow machine.
_ARRIVAL_SECONDS = 0.02
_CATCH_UP_SECONDS = 120.0


class Stayer:
    """One who takes everything, and knows how much it was and a hash of it."""

    def __init__(self) -> None:
        self.size = 0
        self.hash = hashlib.blake2b()
        self._grown = trio.Event()

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self.hash.update(data)
        self._grown.set()

    async def has(self, size: int) -> None:
        while self.size < size:
            self._grown = trio.Event()
            await self._grown.wait()


class Churn:
    """A chain, its daemon, and all who subscribe."""

    def __init__(self, chance: random.Random, daemon: RunningDaemon) -> None:
        self.engine = StandIn(chance)
        self.engine.pause = _BLOCK_PAUSE
        self.engine.large_every = _LARGE_EVERY
        self.visits = 0
        self.turned_away = 0
        self._chance = chance
        self._daemon = daemon
        self._place = urlsplit(daemon.stream)
        self.witnessed: list[Fact] = []
        self._stayers: list[Stayer] = []
        self._kinds = list(
            islice(wishes(str(self.engine.asset["id"]), ALICE.public), 7)
        )

    async def run(self, *, seconds: float, stayers: int, wanderers: int) -> None:
        """Do it for so long. Raises Failed."""
        async with child.open_nursery() as nursery:
            self._stayers = [Stayer() for _ in range(stayers)]
            for number, stayer in enumerate(self._stayers):
                here = trio.Event()
                nursery.start_soon(self._stay, stayer, not number, here)
                await here.wait()
            async with child.open_nursery() as visitors:
                visitors.start_soon(self.engine.drive, self._daemon)
                for _ in range(wanderers):
                    visitors.start_soon(self._wander)
                    await trio.sleep(_ARRIVAL_SECONDS)
                await trio.sleep(seconds)
            await self.engine.finish(self._daemon)
            await self._check()
            nursery.cancel_scope.cancel()

    async def _stay(self, stayer: Stayer, witness: bool, here: trio.Event) -> None:
        with suppress(OSError, trio.BrokenResourceError, trio.EndOfChannel):
            async with self._open(Wish()) as stream:
                here.set()
                while True:
                    if witness:
                        stayer.take(self._read(await stream.text()))
                    else:
                        stayer.take(await stream.some())
        raise Failed(f"a subscriber was cut off: {self._daemon.last_words()}")

    def _read(self, text: bytes) -> bytes:
        """Note what a message says; the frame that it came in."""
        self.witnessed.append(Wish().fact(json.loads(text)))
        return text_frame(text)

    async def _wander(self) -> None:
        kinds = [wish for wish in self._kinds if wish.filters or wish.detail]
        kinds += 5 * [wish for wish in kinds if "asset_id" in wish.filters]
        while True:
            wish = self._chance.choice(kinds)
            await trio.sleep(self._chance.random())
            is_in = False
            with trio.move_on_after(self._chance.expovariate(1 / _STAY_SECONDS)):
                try:
                    async with self._open(wish) as stream:
                        is_in = True
                        self.visits += 1
                        while True:
                            await stream.some()
                except (OSError, trio.BrokenResourceError, trio.EndOfChannel) as error:
                    # A busy daemon may have no time for a newcomer before its deadline.
                    if is_in:
                        said = self._daemon.last_words()
                        raise Failed(
                            f"a visitor was cut off: {error!r}; {said}"
                        ) from error
                self.turned_away += 1

    def _open(self, wish: Wish) -> AbstractAsyncContextManager[RawStream]:
        asked = [*wish.filters.items()]
        if wish.detail:
            asked.append(("detail", wish.detail))
        if "asset_id" in wish.filters:
            # Another one that there is not: nobody else selects the same, so that a whole
            # group leaves with each of them.
            asked.append(("asset_id", f"{self._chance.getrandbits(256):064x}"))
        target = f"/api/v1/streams/{wish.stream}?{urlencode(asked)}"
        return open_raw_stream(self._place.netloc, target)

    async def _check(self) -> None:
        """Does everybody who stayed have everything, and nothing else?"""
        owed = list(Wish().owed(self.engine.blocks))
        witness, *others = self._stayers
        with trio.move_on_after(_CATCH_UP_SECONDS):
            while len(self.witnessed) < len(owed):
                await witness.has(witness.size + 1)
            for stayer in others:
                await stayer.has(witness.size)
        if difference := compare(owed, self.witnessed):
            raise Failed(difference)
        strange = [each for each in others if each.size != witness.size]
        if strange:
            missing = [witness.size - each.size for each in strange]
            raise Failed(f"{len(strange)} who stayed lack bytes: {missing[:5]} …")
        if any(each.hash.digest() != witness.hash.digest() for each in others):
            raise Failed("who stayed got the same number of bytes, and not the same")


async def run_churn(
    folder: Path, *, seed: int, seconds: float, stayers: int, wanderers: int
) -> str:
    """Do it all in `folder`; what to say about it. Raises Failed."""
    settings = Settings(
        home=folder / "daemon",
        # Nobody here answers a Ping.
        environment={"TRIO_STREAM_PING_INTERVAL": "3600"},
    )
    async with child.open_nursery() as nursery:
        daemon = await start_daemon(nursery, settings)
        churn = Churn(random.Random(seed), daemon)
        await churn.run(seconds=seconds, stayers=stayers, wanderers=wanderers)
        if status := await daemon.stop():
            raise Failed(f"the daemon ended with {status}: {daemon.last_words()}")
    blocks, events = len(churn.engine.blocks), len(churn.witnessed)
    return (
        f"{seconds:g} s: {wanderers:,} subscribers came and went {churn.visits:,} times,"
        f" and {churn.turned_away:,} times were not let in in time;"
        f" the {stayers:,} who stayed have all {events:,} events of {blocks:,} blocks"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--subscribers", type=int, default=1500)
    parser.add_argument("--wanderers", type=int, default=1000)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().getrandbits(32)
    )
    given = parser.parse_args(arguments)
    stayers = given.subscribers - given.wanderers
    if stayers < 1:
        parser.error("somebody has to stay: fewer --wanderers than --subscribers")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = given.subscribers + 100
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    print(f"seed {given.seed}", flush=True)
    run = partial(run_churn, seed=given.seed, seconds=given.seconds)
    run = partial(run, stayers=stayers, wanderers=given.wanderers)
    status = 0
    with tempfile.TemporaryDirectory(prefix="churn-") as folder:
        try:
            print(trio.run(run, Path(folder)))
        except* (Failed, *GONE) as failures:
            # When the daemon dies everybody notices.
            print(f"FAILED, seed {given.seed}: {failures.exceptions[0]}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
