"""A node that joins by state sync: it restores a snapshot of a member, and goes on from there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from scripts import child, signing
from scripts.child import Child
from scripts.daemon_process import RunningDaemon
from scripts.devnet import evidence
from scripts.engines import network, state_sync
from scripts.engines.build import Release
from scripts.engines.process import NOT_THERE, Rpc, RpcError, RunningEngine
from tests.engines.site import (
    ALICE,
    BOB,
    ON_REQUEST,
    PATIENCE,
    Site,
    commit,
    settled,
)
from trio_stream.log.file import FILE_NAME

ENGINES = [
    "tendermint-0.34.24",
    "cometbft-0.34.33",
    "cometbft-0.37.18",
    "cometbft-0.38.26",
    "cometbft-0.39.4",
    "cometbft-0.40.0",
    "cometbft-1.0.1",
]

pytestmark = [pytest.mark.engine, pytest.mark.slow]

INTERVAL = 10


class Members:
    """A member with a chain and snapshots, and a node that will join it."""

    def __init__(self, engine: Release, folder: Path) -> None:
        self.engine = engine
        self.member, self.newcomer = Site.several(engine, folder, 2)
        interval = {"TRIO_STREAM_SNAPSHOT_INTERVAL": str(INTERVAL)}
        self.member.settings = replace(self.member.settings, environment=interval)

    @property
    def logs(self) -> list[Path]:
        return [each.settings.home / FILE_NAME for each in (self.member, self.newcomer)]

    @asynccontextmanager
    async def member_running(
        self,
    ) -> AsyncIterator[tuple[RunningDaemon, RunningEngine]]:
        """The one validator of the chain."""
        await self.member.prepare()
        genesis = self.member.validator.home / "config" / "genesis.json"
        state_sync.let_blocks_be_quick(genesis)
        async with self.member.daemon() as daemon, self.member.engine() as engine:
            yield daemon, engine

    async def introduce(self, rpc: Rpc) -> None:
        """Have the newcomer's engine know the member, and a block to trust."""
        member = self.member.validator
        newcomer = replace(
            self.newcomer.validator, settings=await state_sync.trusting(rpc)
        )
        address = f"{member.host}:{member.p2p_port}"
        await network.join(self.engine.binary, newcomer, [member], [address])
        self.newcomer.validator = newcomer

    def snapshot_heights(self) -> list[int]:
        """Of the member."""
        found = (self.member.settings.home / "snapshots").glob("[0-9]*")
        return sorted(int(each.name) for each in found if each.name.isdigit())


async def grow(daemon: RunningDaemon, numbers: range, size: int = 10) -> None:
    """So many things, some of which change hands."""
    for number in numbers:
        thing = signing.create(ALICE, data={"number": number, "much": "x" * size})
        await commit(daemon, thing)
        if number % 3 == 0:
            await commit(daemon, signing.transfer(thing, ALICE, recipients=[(BOB, 1)]))


async def reached(rpc: Rpc, height: int) -> tuple[int, bytes]:
    """Height and app hash, once a node has that height."""

    async def there() -> tuple[int, bytes] | None:
        try:
            found = await rpc.application()
        except (*NOT_THERE, RpcError):
            return None
        return found if found[0] >= height else None

    return await child.poll(there, seconds=PATIENCE, what=f"block {height}")


async def logged(process: Child, text: str) -> None:
    """Wait until a process has logged this."""

    async def there() -> bool | None:
        text_of_log = await trio.Path(process.log).read_text()
        return text in text_of_log or None

    await child.poll(there, seconds=PATIENCE, what=f"{text!r} in {process.log}")


def blocks(log: Path) -> int:
    """How many blocks a log has, and none are missing below."""
    with closing(sqlite3.connect(log)) as connection:
        sql = "SELECT count(*), coalesce(max(height), 0) FROM v1_blocks"
        count, height = connection.execute(sql).fetchone()
    assert count == height
    return int(count)


@pytest.fixture
def members(engine: Release, tmp_path: Path) -> Members:
    return Members(engine, tmp_path)


async def test_a_newcomer_has_the_same_log_and_goes_on(members: Members) -> None:
    async with members.member_running() as (daemon, source):
        await grow(daemon, range(15))
        tip = await settled(source.rpc)
        await members.introduce(source.rpc)
        async with (
            members.newcomer.daemon() as joined,
            members.newcomer.engine() as newcomer,
        ):
            here = await source.rpc.application()
            assert await reached(newcomer.rpc, tip) == here
            await logged(joined, "is restored")
            await grow(daemon, range(15, 18))
            tip = await settled(source.rpc)
            here = await source.rpc.application()
            assert await reached(newcomer.rpc, tip) == here
            doors = [
                each.settings.stream for each in (members.member, members.newcomer)
            ]
            await evidence.streams(doors)
    evidence.logs(members.logs)


@ON_REQUEST
async def test_a_newcomer_that_is_killed_in_the_middle_joins_after_all(
    members: Members,
) -> None:
    newcomer = members.newcomer
    async with members.member_running() as (daemon, source):
        # Some chunks.
        await grow(daemon, range(60), size=200_000)
        tip = await settled(source.rpc)
        await members.introduce(source.rpc)
        for moment in ("is being restored", "is restored"):
            async with newcomer.daemon() as joined, child.open_nursery() as nursery:
                await newcomer.prepare()
                engine = await newcomer.start_engine(nursery)
                await logged(joined, moment)
                await joined.kill()
                await engine.stop()
            # Nothing of the snapshot, or all of it.
            assert blocks(members.logs[1]) in (0, *members.snapshot_heights())
        # Releases from 0.37 on don't start again if they are stopped before their first block.
        await reset(members.engine.binary, newcomer)
        async with newcomer.daemon(), newcomer.engine() as again:
            here = await source.rpc.application()
            assert await reached(again.rpc, tip) == here
    evidence.logs(members.logs)


async def reset(binary: Path, site: Site) -> None:
    """Have the engine forget what it has of the chain."""
    home = str(site.validator.home)
    await trio.run_process([str(binary), "unsafe-reset-all", "--home", home])


@ON_REQUEST
async def test_a_snapshot_of_an_edited_log_is_not_believed(members: Members) -> None:
    async with members.member_running() as (daemon, source):
        await grow(daemon, range(3))
        await settled(source.rpc)
    edit(members.logs[0])
    async with members.member_running() as (daemon, source):
        await grow(daemon, range(3, 15))
        await settled(source.rpc)
        await members.introduce(source.rpc)
        assert min(members.snapshot_heights()) > 3
        async with members.newcomer.daemon() as joined, child.open_nursery() as nursery:
            await members.newcomer.prepare()
            engine = await members.newcomer.start_engine(nursery)
            await logged(joined, "is false")
            await engine.stop()
            assert (await joined.http("GET", "/api/v1/blocks/1")).status == 404
    assert blocks(members.logs[1]) == 0


def edit(log: Path) -> None:
    """Have the first thing have another number than it was given."""
    with closing(sqlite3.connect(log)) as connection, connection:
        sql = "SELECT position, raw FROM bodies ORDER BY position LIMIT 1"
        position, raw = connection.execute(sql).fetchone()
        edited = raw.replace(b'"number": 0', b'"number": 9')
        assert edited != raw
        connection.execute(
            "UPDATE bodies SET raw = ? WHERE position = ?", (edited, position)
        )


@ON_REQUEST
async def test_an_edited_chunk_is_not_taken(members: Members) -> None:
    async with members.member_running() as (daemon, source):
        await grow(daemon, range(12))
        await settled(source.rpc)
        await members.introduce(source.rpc)
        for height in members.snapshot_heights():
            spoil(members.member.settings.home / "snapshots" / str(height))
        async with members.newcomer.daemon() as joined, child.open_nursery() as nursery:
            await members.newcomer.prepare()
            engine = await members.newcomer.start_engine(nursery)
            await logged(joined, "chunk 0 from")
            await engine.stop()
            assert (await joined.http("GET", "/api/v1/blocks/1")).status == 404
    assert blocks(members.logs[1]) == 0


def spoil(snapshot: Path) -> None:
    """Change a byte in the middle of each chunk."""
    for path in snapshot.iterdir():
        if path.name.isdigit():
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
