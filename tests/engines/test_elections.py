"""Four validators of a real network vote a fifth in, one of them out, and change a power.

Votes are posted to the nodes as a driver would. What an engine is told in the block of height H
counts from H + 2 on: in its own answers, in who proposes blocks, and in who is needed for them.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from scripts import child, daemon_process, signing
from scripts.daemon_process import RunningDaemon
from scripts.devnet import evidence
from scripts.engines import build, network
from scripts.engines.build import Release
from scripts.engines.process import Rpc, RunningEngine
from scripts.signing import Document, Key
from tests.engines.site import ALICE, PATIENCE, Site, known, settled
from tests.voting import election, key_of, vote
from trio_stream.log.file import FILE_NAME

ENGINES = ["tendermint-0.31.12", "tendermint-0.34.24", build.DEFAULT]

pytestmark = [pytest.mark.engine, pytest.mark.slow]

POWER = 10
"""What `init` gives a validator."""

Powers = Mapping[Key, int]


@dataclass
class Member:
    """A node of the network, and the key of its validator."""

    site: Site
    key: Key
    daemon: RunningDaemon
    engine: RunningEngine

    @property
    def rpc(self) -> Rpc:
        return self.engine.rpc

    async def kill(self) -> None:
        """Kill engine and daemon, as a power failure would."""
        await self.engine.kill()
        await self.daemon.kill()

    async def powers(self) -> dict[str, int]:
        """The newest validators, as the daemon shows them; by their key in base64."""
        answer = await self.daemon.http("GET", "/api/v1/validators")
        return {
            each["public_key"]["value"]: each["voting_power"] for each in answer.json()
        }

    async def powers_at(self, height: int) -> dict[str, int]:
        """The validators of the block of this height, as the engine knows them."""
        answer = await self.rpc.call("validators", height=str(height))
        return {
            each["pub_key"]["value"]: int(each["voting_power"])
            for each in answer["validators"]
        }

    async def proposer(self, height: int) -> str:
        block = (await self.rpc.call("block", height=str(height)))["block"]
        address: str = block["header"]["proposer_address"]
        return address


class Network:
    """Starts nodes, whose engines end before the daemons do."""

    def __init__(self, daemons: trio.Nursery, engines: trio.Nursery) -> None:
        self._daemons = daemons
        self._engines = engines

    async def start(self, site: Site) -> Member:
        daemon = await daemon_process.start_daemon(self._daemons, site.settings)
        engine = await site.start_engine(self._engines)
        await engine.ready()
        key = network.validator_key(site.validator)
        return Member(site, key, daemon, engine)


@asynccontextmanager
async def started(
    engine: Release, folder: Path
) -> AsyncIterator[tuple[Network, list[Member]]]:
    """Four validators of one chain and a fifth node that is none, each with its daemon."""
    sites = Site.several(engine, folder, 5)
    validators = [site.validator for site in sites]
    addresses = [f"127.0.0.1:{each.p2p_port}" for each in validators]
    await network.prepare(engine.binary, validators[:4], addresses[:4])
    await network.join(engine.binary, validators[4], validators[:4], addresses[:4])
    async with child.open_nursery() as daemons, child.open_nursery() as engines:
        nodes, found = Network(daemons, engines), dict[int, Member]()

        async def start(number: int, site: Site) -> None:
            found[number] = await nodes.start(site)

        async with trio.open_nursery() as starting:
            for each in enumerate(sites):
                starting.start_soon(start, *each)
        yield nodes, [found[number] for number in range(5)]


async def decide(
    voters: Sequence[Member], before: Powers, candidate: Key, power: int
) -> int:
    """Let the first voter open an election, and all vote in turn; the height of the last vote."""
    opened = election(
        candidate,
        power=power,
        proposer=voters[0].key,
        recipients=list(before.items()),
        seed=f"{power} for {candidate.public}",
    )
    await commit(voters[-1], opened)
    votes = [vote(opened, each.key) for each in voters]
    for voter, each in zip(voters, votes, strict=True):
        await known(voter.daemon, opened)
        await commit(voter, each)
    return await height_of(voters[-1], votes[-1])


async def commit(member: Member, document: Document) -> None:
    """Post a transaction to this node, and wait until it is in a block there."""
    answer = await member.daemon.post(signing.encode(document), "sync")
    assert (answer.status, answer.json()) == (202, document)
    await known(member.daemon, document)


async def height_of(member: Member, document: Document) -> int:
    target = f"/api/v1/blocks?transaction_id={document['id']}"
    (height,) = (await member.daemon.http("GET", target)).json()
    return int(height)


async def check_change(
    everybody: Sequence[Member], height: int, before: Powers, after: Powers
) -> None:
    """Every node and engine counts the change of this block at the right heights."""
    old, new = in_base64(before), in_base64(after)
    # The set of H + 2 is known after H; two more blocks are made by it.
    for n in range(4):
        document = signing.create(ALICE, data={"after": f"{height} {n}"})
        await commit(everybody[n], document)
    for member in everybody:
        await reached(member, height + 3)
        assert await member.powers() == new
        found = [await member.powers_at(height + n) for n in range(4)]
        assert found == [old, old, new, new]


async def reached(member: Member, height: int) -> None:
    async def there() -> bool | None:
        return await member.rpc.height() >= height or None

    await child.poll(there, seconds=PATIENCE, what=f"block {height}")


def in_base64(powers: Powers) -> dict[str, int]:
    return {
        base64.b64encode(key_of(key)).decode(): power for key, power in powers.items()
    }


async def proposes(member: Member, others: Sequence[Member]) -> None:
    """Make blocks until one was proposed by this validator."""
    status = await member.rpc.call("status")
    address = status["validator_info"]["address"]
    begin = await member.rpc.height()
    # Each of five with the same power has its turn within five rounds, and may miss some.
    for n in range(50):
        document = signing.create(ALICE, data={"turn": f"{begin} {n}"})
        await commit(others[n % len(others)], document)
        end = await others[0].rpc.height()
        found = [await others[0].proposer(each) for each in range(begin + 1, end + 1)]
        if address in found:
            return
    raise AssertionError(f"{address} proposed no block from {begin} to {end}")


async def test_a_fifth_is_voted_in_one_of_four_out_and_a_power_changes(
    engine: Release, tmp_path: Path
) -> None:
    async with started(engine, tmp_path) as (nodes, everybody):
        first, second, third, leaving, coming = everybody
        four: Powers = {each.key: POWER for each in everybody[:4]}
        height = await decide([first, second, third], four, coming.key, POWER)
        five = {**four, coming.key: POWER}
        await check_change(everybody, height, four, five)
        await proposes(coming, everybody[:4])

        # The one that is voted out learns of it later, and the other four are just enough.
        await leaving.kill()
        voters = [coming, first, second, third]
        height = await decide(voters, five, leaving.key, 0)
        leaving = everybody[3] = await nodes.start(leaving.site)
        rest = {key: POWER for key in five if key != leaving.key}
        await check_change(everybody, height, five, rest)

        height = await decide([coming, third, second], rest, first.key, 13)
        await check_change(everybody, height, rest, {**rest, first.key: 13})

        tips = {await settled(each.rpc) for each in everybody}
        hashes = {await each.rpc.application() for each in everybody}
        assert (len(tips), len(hashes)) == (1, 1)
        addresses = [each.site.settings.stream for each in everybody]
        print(await evidence.streams(addresses))
    homes = [each.site.settings.home for each in everybody]
    print(evidence.logs([home / FILE_NAME for home in homes]))
