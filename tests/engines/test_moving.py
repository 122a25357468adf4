"""Chains on real engines end, and go on with others: by a new genesis file, or in the same home."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.engines import build, compiling, network, process
from scripts.engines.build import Release
from scripts.moving_chain import prove
from scripts.signing import create, transfer
from tests.engines.site import ALICE, ON_REQUEST, PATIENCE, Site, commit, settled
from tests.voting import migration, vote

pytestmark = [pytest.mark.engine, pytest.mark.slow]

OLDEST = build.ENGINES["tendermint-0.31.12"]
BEFORE = {
    "tendermint-0.32.14": "tendermint-0.31.12",
    "cometbft-0.34.33": "tendermint-0.34.24",
    "cometbft-0.37.18": "cometbft-0.34.33",
    "cometbft-0.38.26": "tendermint-0.34.24",
    "cometbft-0.39.4": "cometbft-0.38.26",
    "cometbft-0.40.0": "cometbft-0.39.4",
    "cometbft-1.0.1": "tendermint-0.34.24",
}
"""Releases that take over the home of an earlier one as it is, and such an earlier one."""


async def test_an_engine_exits_when_its_chain_ends_and_whenever_it_starts_again(
    site: Site,
) -> None:
    await site.prepare()
    async with site.daemon() as daemon, child.open_nursery() as engines:
        engine = await site.start_engine(engines)
        await engine.ready()
        key = network.validator_key(site.validator)
        opened = migration(proposer=key, recipients=[(key, 10)])
        await commit(daemon, opened)
        await commit(daemon, vote(opened, key))
        with trio.fail_after(PATIENCE):
            assert await engine.wait() == 0
        again = await site.start_engine(engines)
        # It fails at the handshake; an engine that loses its application also sends itself SIGTERM,
        # and which of both ends it is a race.
        with trio.fail_after(PATIENCE):
            assert await again.wait() in (1, -signal.SIGTERM)
        assert "was migrated at height" in again.last_words(60)
        state = (await daemon.http("GET", "/api/v1/status")).json()
        assert state["ended"]["migrated_at"] == state["height"]


@ON_REQUEST
async def test_a_chain_of_the_oldest_engine_goes_on(
    engine: Release, tmp_path: Path
) -> None:
    """10,000 transactions are taken along by `python -m scripts.moving_chain`."""
    if Site(engine, tmp_path).release < (0, 34):
        pytest.skip("it knows no initial height")
    compiling.build([OLDEST])
    said = await prove(OLDEST, engine, tmp_path, transactions=200)
    assert "212 events for a subscriber, in order and each once" in said


async def test_a_newer_engine_takes_over_the_home_of_an_older_one(
    engine: Release, tmp_path: Path
) -> None:
    if engine.name not in BEFORE:
        pytest.skip("it takes over no other's home")
    before = build.ENGINES[BEFORE[engine.name]]
    compiling.build([before])
    site = Site(before, tmp_path)
    asset = create(ALICE)
    async with site.daemon() as daemon:
        async with site.engine() as older:
            await commit(daemon, asset)
            height = await settled(older.rpc)
        running = process.run_engine(engine.binary, site.validator)
        async with running as newer:
            await commit(daemon, transfer(asset, ALICE))
            assert await settled(newer.rpc) > height
