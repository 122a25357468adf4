"""A chain of four nodes ends with a migration, and goes on with a newer engine.

Its transactions fill large blocks. The validators vote for the migration, and every engine exits.
The last node, and whichever was behind, takes over another one's log by export and import. A
genesis file made from each log is the same, and with it four engines of another release begin the
next chain in front of the daemons. Outputs of the old chain are spent, and a subscriber who was
there from the beginning gets every event once.

As a program it makes such a chain and says how long each step took.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import trio

from scripts import child, daemon_process
from scripts.chaos import Failed
from scripts.devnet import evidence
from scripts.engines import build, compiling, network
from scripts.engines.build import Release
from scripts.engines.home import TIMEOUT_COMMIT
from scripts.moving_chain_end import live_and_end
from scripts.moving_chain_next import (
    SPENT,
    Follower,
    addresses_of,
    genesis_of,
    go_on,
    take_over,
)
from tests.engines.site import Site
from trio_stream.client import Event, open_stream
from trio_stream.log.file import FILE_NAME

NODES: Final = 4


async def prove(
    old: Release, new: Release, folder: Path, *, transactions: int, pause: str = "0s"
) -> str:
    """Make such a chain, move it, and compare; what there is, in words.

    The old engines wait for so long between blocks. Raises Failed if anything differs.
    """
    sites = Site.several(old, folder, NODES)
    validators = [
        replace(site.validator, settings={TIMEOUT_COMMIT: pause}) for site in sites
    ]
    await network.prepare(old.binary, validators, addresses_of(validators))
    follower, watch = Follower(), Watch()
    async with child.open_nursery() as daemons:
        running = [
            await daemon_process.start_daemon(daemons, each.settings) for each in sites
        ]
        streams = [daemon.stream for daemon in running]
        async with open_stream(streams, after="earliest") as events:
            async with trio.open_nursery() as readers:
                readers.start_soon(follower.follow, events)
                assets = await live_and_end(old, sites, running, transactions, watch)
                end = await take_over(daemons, sites, running, folder / "export")
                watch(f"a log taken over at height {end}")
                genesis = await genesis_of(sites)
                watch("genesis files")
                said = await go_on(new, sites, running, genesis, assets, follower)
                watch(f"the next chain, {said}")
                addresses = [site.settings.stream for site in sites]
                streams_said = await evidence.streams(addresses)
                readers.cancel_scope.cancel()
    check_events(follower.events, end, transactions)
    logs = evidence.logs([site.settings.home / FILE_NAME for site in sites])
    return (
        f"{old.name} to {new.name}: {watch}; {len(follower.events):,} events for a"
        f" subscriber, in order and each once; the same streams, {streams_said}; the same"
        f" logs, {logs}"
    )


class Watch:
    """How long each step took."""

    def __init__(self) -> None:
        self._since = trio.current_time()
        self._said: list[str] = []

    def __call__(self, step: str) -> None:
        now = trio.current_time()
        self._said.append(f"{step} {now - self._since:.1f} s")
        self._since = now

    def __str__(self) -> str:
        return ", ".join(self._said)


def check_events(events: Sequence[Event], end: int, transactions: int) -> None:
    """Raise Failed unless they are those of both chains, in order."""
    places = [(each["height"], each["index"]) for each in events]
    if sorted(set(places)) != places:
        raise Failed("the events do not come in order, each once")
    old = sum(height <= end for height, _ in places)
    # An election and three votes; nothing was refused.
    if (old, len(places) - old) != (transactions + 4, SPENT):
        raise Failed(f"{old} events of the old chain, {len(places) - old} of the next")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.moving_chain",
        description="End a chain by a migration, and go on with another engine.",
    )
    parser.add_argument("--old", default="tendermint-0.31.12", choices=build.ENGINES)
    parser.add_argument("--new", default=build.DEFAULT, choices=build.ENGINES)
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument(
        "--pause", default="5s", help="between the old engine's blocks (default: 5s)"
    )
    options = parser.parse_args(arguments)
    old, new = build.ENGINES[options.old], build.ENGINES[options.new]
    compiling.build([old, new])
    with tempfile.TemporaryDirectory() as folder:
        run = partial(
            prove,
            old,
            new,
            Path(folder),
            transactions=options.transactions,
            pause=options.pause,
        )
        print(trio.run(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
