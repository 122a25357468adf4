"""A chain with everything in it: assets, elections, votes, and validators who come and go.

One engine makes it, whose validator keeps more than two thirds of the power. Blocks differ from run
to run, since the engine decides what goes together.

As a program it makes such a chain, lets an empty node fetch it by block sync, another one by state
sync, and the engine replay it into an empty daemon, and compares app hashes, streams and logs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from scripts import child, daemon_process
from scripts.chaos import Failed
from scripts.daemon_process import RunningDaemon
from scripts.devnet import evidence
from scripts.engines import build, compiling, home, network, state_sync
from scripts.engines.build import Release
from scripts.engines.home import ValidatorHome, Value
from scripts.engines.process import Rpc, RunningEngine
from scripts.mixed_history import FOUNDER_POWER, History
from scripts.signing import Key
from tests.election_records import Records
from tests.engines.site import Site, settled
from tests.voting import key_of
from trio_stream.log.file import FILE_NAME
from trio_stream.transactions.elections import Validator

PATIENCE = 600.0
SNAPSHOTS = 10
"""Blocks from one to the next."""

# When it is the turn of a validator without an engine, nobody waits for long. Releases have
# different ones of these.
QUICK: Mapping[home.Key, Value] = {
    ("consensus", f"timeout_{step}"): "10ms"
    for each in ("propose", "prevote", "precommit", "vote")
    for step in (each, f"{each}_delta")
}


async def found(binary: Path, founder: ValidatorHome) -> Key:
    """Make the home of the one engine of a new chain; the key of its validator."""
    await network.prepare(binary, [founder], [f"{founder.host}:{founder.p2p_port}"])
    config, genesis = (
        founder.home / "config" / name for name in ("config.toml", "genesis.json")
    )
    config.write_text(home.edit(config.read_text(), QUICK)[0])
    document = json.loads(genesis.read_text())
    document["validators"][0]["power"] = str(FOUNDER_POWER)
    genesis.write_text(json.dumps(document))
    state_sync.let_blocks_be_quick(genesis)
    return network.validator_key(founder)


async def grow(
    daemon: RunningDaemon, rpc: Rpc, founder: Key, *, blocks: int, seed: int = 0
) -> None:
    """Let the chain go on until it has that many blocks, or a few more."""
    history = History(daemon, founder, random.Random(seed))
    while await rpc.height() < blocks:
        await history.go_on()


async def prove(engine: Release, folder: Path, *, blocks: int) -> str:
    """Make such a chain, let an empty node fetch it, and compare; what there is, in words.

    Raises Failed if anything differs.
    """
    first, second, third = Site.several(engine, folder, 3)
    founder = await found(engine.binary, first.validator)
    address = f"127.0.0.1:{first.validator.p2p_port}"
    await network.join(engine.binary, second.validator, [first.validator], [address])
    streams = [each.settings.stream for each in (first, second)]
    if can_restore := first.release >= (0, 34):
        makes = {"TRIO_STREAM_SNAPSHOT_INTERVAL": str(SNAPSHOTS)}
        first.settings = replace(first.settings, environment=makes)
    async with first.daemon() as daemon, first.engine() as source:
        began = trio.current_time()
        await grow(daemon, source.rpc, founder, blocks=blocks)
        tip = await settled(source.rpc)
        made = trio.current_time() - began
        async with second.daemon(), second.engine() as newcomer:
            began = trio.current_time()
            await fetched(newcomer.rpc, tip)
            took = trio.current_time() - began
            changes = await check_changes(source, tip, founder)
            ends = {await each.rpc.application() for each in (source, newcomer)}
            said = await evidence.streams(streams)
        restored = "not restored by this release"
        if can_restore:
            restored, end = await _restored(source.rpc, first, third, tip)
            ends.add(end)
    again = replace(first.settings, home=folder / "again", environment={})
    async with daemon_process.run_daemon(again):
        began = trio.current_time()
        async with first.engine() as source:
            replayed = trio.current_time() - began
            ends.add(await source.rpc.application())
            if await evidence.streams(streams[:1]) != said:
                raise Failed("the streams differ after the replay")
    if len(ends) != 1:
        raise Failed(f"after all blocks there are {ends}")
    homes = [first.settings.home, second.settings.home, again.home]
    homes += [third.settings.home] * can_restore
    logs = evidence.logs([home / FILE_NAME for home in homes])
    await check_log(again.home)
    return (
        f"{engine.name}: {tip:,} blocks made in {made:.0f} s, fetched by block sync in {took:.1f}"
        f" s, replayed in {replayed:.1f} s, {restored}; {changes:,} changes of validators;"
        f" the same app hash, the same streams, {said}; the same logs, which are whole, {logs}"
    )


async def check_log(home: Path) -> None:
    """Let the node itself recount and verify what it has. Raises Failed."""
    ran = await trio.run_process(
        [sys.executable, "-m", "trio_stream", "check", "--home", str(home)],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=child.environment({}),
    )
    if ran.returncode != 0:
        raise Failed(f"trio-stream check: {ran.stderr.decode().strip()}")


async def _restored(
    rpc: Rpc, member: Site, newcomer: Site, tip: int
) -> tuple[str, tuple[int, bytes]]:
    """How long a node took that joined by state sync, in words; its height and app hash."""
    settings = await state_sync.trusting(rpc)
    newcomer.validator = replace(newcomer.validator, settings=settings)
    address = f"127.0.0.1:{member.validator.p2p_port}"
    await network.join(
        member.kind.binary, newcomer.validator, [member.validator], [address]
    )
    async with newcomer.daemon() as daemon, newcomer.engine() as engine:
        began = trio.current_time()
        await fetched(engine.rpc, tip)
        took = trio.current_time() - began
        if "is restored" not in daemon.log.read_text():
            raise Failed("the newcomer restored no snapshot")
        await evidence.streams([member.settings.stream, newcomer.settings.stream])
        return f"restored in {took:.1f} s", await engine.rpc.application()


async def check_changes(engine: RunningEngine, tip: int, founder: Key) -> int:
    """How often the engine was told of other validators: when the reference's records say so.

    Raises Failed if it was told anything else.
    """
    records = Records([Validator("ed25519", key_of(founder), FOUNDER_POWER)])
    told = 0
    for block in await evidence.blocks(engine, tip):
        accepted = [dict(each) for each in block.transactions if each]
        due = records.end_block(accepted)
        found = await engine.rpc.validator_updates(block.height)
        if found != due:
            raise Failed(f"in block {block.height} {found} instead of {due}")
        told += len(due)
    return told


async def fetched(newcomer: Rpc, height: int) -> None:
    """Wait until a node that joins has executed the blocks up to that height."""

    async def there() -> bool | None:
        return (await newcomer.application())[0] >= height or None

    await child.poll(there, seconds=PATIENCE, what=f"block {height} in the newcomer")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.mixed_chain",
        description="Make a chain with everything in it, and let an empty node fetch it.",
    )
    parser.add_argument("--engine", default=build.DEFAULT, choices=build.ENGINES)
    parser.add_argument("--blocks", type=int, default=2000)
    options = parser.parse_args(arguments)
    engine = build.ENGINES[options.engine]
    compiling.build([engine])
    with tempfile.TemporaryDirectory() as folder:
        print(trio.run(partial(prove, engine, Path(folder), blocks=options.blocks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
