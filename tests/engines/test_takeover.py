"""The home of a Tendermint whose chain a BigchainDB 2.2.2 made, pointed at a daemon.

If the daemon's log is empty, the engine replays every block into it and compares each app hash with
the next header's: an application that differs from the reference anywhere is stopped on the way. A
log that was imported from BigchainDB's database has them all already.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from scripts import signing
from tests.conftest import VECTORS
from tests.engines.site import ALICE, Site, commit, log_of, settled, subscribed
from tests.mongodb.tools import write_mongodump
from tests.reference_database import database_of
from trio_stream.__main__ import main
from trio_stream.log.writer import CommitLog

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


async def test_it_is_continued_from_the_database_of_the_bigchaindb(
    site: Site, tmp_path: Path
) -> None:
    await site.prepare()
    with tarfile.open(VECTORS / "chain_0.31.5.tar.gz") as archive:
        archive.extractall(site.validator.home, filter="data")
    async with site.daemon() as daemon, site.engine() as engine:
        assert await engine.rpc.application() == (BLOCKS, APP_HASH)
        old = await log_of(daemon)
    replayed = site.settings.home.rename(tmp_path / "replayed")
    with CommitLog.open(replayed) as log:
        write_mongodump(tmp_path / "dump", database_of(log))
    arguments = ["--same-chain", "--home", str(site.settings.home)]
    assert main(["import", str(tmp_path / "dump"), *arguments]) == 0
    async with site.daemon() as daemon, site.engine() as engine:
        assert (await engine.rpc.application())[0] >= BLOCKS
        assert (await log_of(daemon))[: len(old)] == old
        async with subscribed(daemon) as client:
            await commit(daemon, signing.create(ALICE, data={"since": "the import"}))
            assert (await client.next())["height"] > BLOCKS
            assert await log_of(daemon) == old + client.events
        assert await settled(engine.rpc) > BLOCKS
