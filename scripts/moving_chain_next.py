"""The second chain of `moving_chain`: what the first one left is taken over, and spent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from scripts import child, daemon_process
from scripts.chaos import Failed
from scripts.daemon_process import RunningDaemon
from scripts.engines import network, process
from scripts.engines.build import Release
from scripts.engines.home import ValidatorHome
from scripts.engines.process import NOT_THERE, Rpc
from scripts.moving_chain_end import PATIENCE, commit
from scripts.signing import Document, create, encode, transfer
from tests.engines.site import ALICE, BOB, Site, settled
from trio_stream.client import Event, Events

SPENT: Final = 8
"""Outputs of the old chain that are spent in the next one."""


class Follower:
    """A subscriber who keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = trio.Event()

    async def follow(self, events: Events) -> None:
        async for event in events:
            self.events.append(event)
            self._came.set()
            self._came = trio.Event()

    async def until(self, transaction_id: str) -> None:
        """Wait until the event of this transaction has come."""
        with trio.fail_after(PATIENCE):
            while not any(
                each["transaction_id"] == transaction_id for each in self.events[-50:]
            ):
                await self._came.wait()


async def take_over(
    nursery: trio.Nursery,
    sites: Sequence[Site],
    daemons: list[RunningDaemon],
    file: Path,
) -> int:
    """Bring all logs to the end of the chain, whose height is returned.

    A node that was behind when the engines exited gets no more blocks from them.
    """
    heights = [(await state_of(daemon))["height"] for daemon in daemons]
    end = max(heights)
    first = heights.index(end)
    await trio_stream("export", file, "--home", sites[first].settings.home)
    for number, site in enumerate(sites):
        is_last = number == len(sites) - 1 and number != first
        if heights[number] == end and not is_last:
            continue
        await daemons[number].stop()
        home = site.settings.home.parent / "imported"
        await trio_stream("import", file, "--home", home)
        site.settings = replace(site.settings, home=home)
        daemons[number] = await daemon_process.start_daemon(nursery, site.settings)
    for daemon in daemons:
        state = await state_of(daemon)
        refused = await daemon.post(encode(create(ALICE, data={"late": True})))
        if not state["ended"] or state["height"] != end or refused.status != 503:
            raise Failed(f"{state}; {refused.status} {refused.body!r:.300}")
    return int(end)


async def state_of(daemon: RunningDaemon) -> dict[str, Any]:
    """What the daemon says of itself."""
    document: dict[str, Any] = (await daemon.http("GET", "/api/v1/status")).json()
    return document


async def trio_stream(*arguments: str | Path) -> bytes:
    """What this command prints."""
    ran = await trio.run_process(
        [sys.executable, "-m", "trio_stream", *arguments],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    if ran.returncode:
        raise Failed(f"{arguments}: {ran.stderr.decode(errors='replace')}")
    return ran.stdout


async def genesis_of(sites: Sequence[Site]) -> bytes:
    """The genesis file that each node makes from its log."""
    found = {
        await trio_stream("genesis", "--home", each.settings.home) for each in sites
    }
    if len(found) != 1:
        raise Failed("the nodes make different genesis files")
    return found.pop()


async def go_on(
    engine: Release,
    sites: Sequence[Site],
    daemons: Sequence[RunningDaemon],
    genesis: bytes,
    assets: Sequence[Document],
    follower: Follower,
) -> str:
    """Run engines of the next chain, and spend what the old one left."""
    homes = await moved(engine, [site.validator for site in sites], genesis)
    async with child.open_nursery() as engines:
        running = [
            await process.start_engine(engines, engine.binary, each) for each in homes
        ]
        for each in running:
            await each.ready(PATIENCE)
            await child.poll(
                partial(_makes_blocks, each.rpc),
                seconds=PATIENCE,
                what="the next chain",
            )
        spent = [
            transfer(each, ALICE, recipients=[(BOB, 1)]) for each in assets[:SPENT]
        ]
        for n, document in enumerate(spent):
            await commit(
                [*daemons[n % len(daemons) :], *daemons[: n % len(daemons)]], document
            )
            await follower.until(document["id"])
        again = await daemons[0].post(encode(assets[0]), "commit")
        if again.status != 400:
            raise Failed(f"an asset of the old chain was committed twice: {again}")
        tips = {await settled(each.rpc) for each in running}
        hashes = {await each.rpc.application() for each in running}
        if len(tips) != 1 or len(hashes) != 1:
            raise Failed(f"the engines differ: {tips} {hashes}")
        return f"at height {tips.pop()}"


async def _makes_blocks(rpc: Rpc) -> bool | None:
    """Whether there is a first block, and the engine takes transactions."""
    try:
        info = (await rpc.call("status"))["sync_info"]
    except NOT_THERE:
        return None
    return int(info["latest_block_height"]) > 0 and not info["catching_up"] or None


async def moved(
    engine: Release, olds: Sequence[ValidatorHome], genesis: bytes
) -> list[ValidatorHome]:
    """Homes for another engine, with the validators' keys and this genesis file."""
    news = [replace(each, home=each.home.parent / "next", settings={}) for each in olds]
    await network.prepare(engine.binary, news, addresses_of(news))
    for old, new in zip(olds, news, strict=True):
        key = (old.home / "config" / "priv_validator_key.json").read_bytes()
        (new.home / "config" / "priv_validator_key.json").write_bytes(key)
        (new.home / "config" / "genesis.json").write_bytes(genesis)
    return news


def addresses_of(validators: Sequence[ValidatorHome]) -> list[str]:
    return [f"127.0.0.1:{each.p2p_port}" for each in validators]
