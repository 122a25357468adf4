"""Elections that would end a chain, in blocks all the same and with all votes: nothing happens.

So is a chain of BigchainDB taken over that holds one, and so ends the attempt of a proposer. And
one that goes as far as an election may.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import pytest

from scripts import signing
from scripts.daemon_process import Settings, run_daemon
from scripts.engines import build, network
from scripts.engines.build import Release
from scripts.signing import Document, Key, encode
from tests.engines.careless import Careless
from tests.engines.site import ALICE, Site, check, commit, settled, subscribed
from tests.voting import NEWCOMER, election, vote
from trio_stream.transactions.elections import MAX_TOTAL_POWER

ENGINES = ["tendermint-0.31.12", "tendermint-0.34.24", build.DEFAULT]

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def fatal(member: Key) -> list[Document]:
    """Elections of this only validator, each of which ends the chain if it concludes."""
    opened = partial(election, proposer=member, recipients=[(member, 10)])
    return [
        opened(member, power=0),
        opened(NEWCOMER, power=0),
        opened(NEWCOMER, power=-1),
        opened(NEWCOMER, power=2.5),
        opened(NEWCOMER, power=2, encoding="ed25519-base64"),
    ]


async def test_the_chain_goes_on_and_is_replayed(
    engine: Release, tmp_path: Path
) -> None:
    site = Site(engine, tmp_path)
    await site.prepare()
    member = network.validator_key(site.validator)
    elections = fatal(member)
    async with run_daemon(careless(site.settings)) as daemon:
        async with site.engine() as running, subscribed(daemon) as client:
            for each in elections:
                assert await check(running.rpc, encode(each)) == (0, "")
            await client.until([each["id"] for each in elections])
            for each in elections:
                await commit(daemon, vote(each, member))
            await commit(daemon, signing.create(ALICE, data={"still": "here"}))
            await settled(running.rpc)
            end = await running.rpc.application()
            validators = await daemon.http("GET", "/api/v1/validators")
            assert [each["voting_power"] for each in validators.json()] == [10]
    honest = replace(site.settings, home=tmp_path / "honest")
    async with run_daemon(honest) as daemon, site.engine() as running:
        assert await running.rpc.application() == end
        for each in elections:
            again = {**each, "metadata": {"once": "more"}}
            raw = encode(signing.sign(again, member))
            code, log = await check(running.rpc, raw)
            assert code == 1 and "FatalElection" in log
            posted = await daemon.post(raw)
            assert posted.status == 400
            assert "(FatalElection)" in posted.json()["message"]


async def test_the_most_power_that_an_election_can_give_is_survived(site: Site) -> None:
    await site.prepare()
    member = network.validator_key(site.validator)
    genesis = site.validator.home / "config" / "genesis.json"
    document = json.loads(genesis.read_text())
    document["validators"][0]["power"] = str(MAX_TOTAL_POWER - 5)
    genesis.write_text(json.dumps(document))
    tokens = [(member, MAX_TOTAL_POWER - 5)]
    most, more = (
        election(NEWCOMER, power=power, proposer=member, recipients=tokens)
        for power in (5, 6)
    )
    async with site.daemon() as daemon, site.engine() as running:
        refused = await daemon.post(encode(more))
        assert "(FatalElection)" in refused.json()["message"]
        await commit(daemon, most)
        await commit(daemon, vote(most, member))
        for n in range(3):  # the change counts from the next block but one
            await commit(daemon, signing.create(ALICE, data={"n": n}))
        await settled(running.rpc)
        newest = (await running.rpc.call("validators"))["validators"]
        powers = [int(each["voting_power"]) for each in newest]
        assert sorted(powers) == [5, MAX_TOTAL_POWER - 5]


def careless(settings: Settings) -> Careless:
    return Careless(
        **{each.name: getattr(settings, each.name) for each in fields(settings)}
    )
