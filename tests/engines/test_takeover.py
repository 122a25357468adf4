"""The home of a Tendermint whose chain a BigchainDB 2.2.2 made, pointed at an empty daemon.

The engine replays every block into the daemon and compares each app hash with the next header's:
an application that differs from the reference anywhere is stopped on the way.
"""

from __future__ import annotations

import tarfile

import pytest

from scripts import signing
from tests.conftest import VECTORS
from tests.engines.site import ALICE, Site, commit, log_of, settled, subscribed

ENGINES = ["tendermint-0.31.12"]

pytestmark = pytest.mark.engine

BLOCKS = 52
TRANSACTIONS = 43
"""Of 44 that stand in its blocks one was refused."""
APP_HASH = b"840f25cd3959c28b6eeacb92ed7bdf0370e323cecc432a57654f68089b41b24c"


async def test_the_chain_of_a_bigchaindb_is_continued(site: Site) -> None:
    await site.prepare()
    with tarfile.open(VECTORS / "chain_0.31.5.tar.gz") as archive:
        archive.extractall(site.validator.home, filter="data")
    async with site.daemon() as daemon, site.engine() as engine:
        assert await engine.rpc.application() == (BLOCKS, APP_HASH)
        old = await log_of(daemon)
        assert len(old) == TRANSACTIONS
        async with subscribed(daemon) as client:
            await commit(daemon, signing.create(ALICE, data={"since": "the takeover"}))
            assert (await client.next())["height"] > BLOCKS
            assert await log_of(daemon) == old + client.events
        assert await settled(engine.rpc) > BLOCKS
