"""A node that joins by state sync: it restores a snapshot of a member, and goes on from there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from functools import partial
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
TRIES = 5
TRY_SECONDS = 100.0
"""It takes five to look for snapshots; what an engine could not check it never asks for again."""


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

    async def rest(self, daemon: RunningDaemon, rpc: Rpc) -> int:
        """Wait until the member has nothing to do, not even a snapshot to make; its height.

        A light client believes what has two blocks above it.
        """
        tip = await settled(rpc)
        while tip % INTERVAL < 2:
            await commit(daemon, signing.create(BOB, data={"above": tip}))
            tip = await settled(rpc)
        await logged(daemon, f"a snapshot of block {tip - tip % INTERVAL} was made")
        return tip

    async def join(
        self, nursery: trio.Nursery, done: Callable[[RunningEngine], Awaitable[object]]
    ) -> RunningEngine:
        """Start the newcomer's engine, and wait until this is done; from the beginning if need be.

        An engine that is answered too late takes a good snapshot for a bad one, and waits for more.
        """
        await self.newcomer.prepare()
        for number in range(TRIES):
            if number:
                await reset(self.engine.binary, self.newcomer)
            engine = await self.newcomer.start_engine(nursery)
            with suppress(TimeoutError, child.ChildEnded):
                await child.while_alive(engine, partial(done, engine))
                return engine
            await engine.stop()
        raise TimeoutError(f"not done within {TRY_SECONDS:g} seconds, {TRIES} times")

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


async def reached(height: int, engine: RunningEngine) -> tuple[int, bytes]:
    """Height and app hash, once a node has that height."""

    async def there() -> tuple[int, bytes] | None:
        try:
            found = await engine.rpc.application()
        except (*NOT_THERE, RpcError):
            return None
        return found if found[0] >= height else None

    return await child.poll(there, seconds=TRY_SECONDS, what=f"block {height}")


async def logged(process: Child, text: str, _: object = None) -> None:
    """Wait until a process has logged this."""

    async def there() -> bool | None:
        text_of_log = await trio.Path(process.log).read_text()
        return text in text_of_log or None

    await child.poll(there, seconds=TRY_SECONDS, what=f"{text!r} in {process.log}")


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
        tip = await members.rest(daemon, source.rpc)
        await members.introduce(source.rpc)
        async with members.newcomer.daemon() as joined, child.open_nursery() as nursery:
            here = await source.rpc.application()
            newcomer = await members.join(nursery, partial(reached, tip))
            assert await newcomer.rpc.application() == here
            await logged(joined, "is restored")
            await grow(daemon, range(15, 18))
            tip = await settled(source.rpc)
            here = await source.rpc.application()
            assert await reached(tip, newcomer) == here
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
        tip = await members.rest(daemon, source.rpc)
        await members.introduce(source.rpc)
        for moment in ("is being restored", "is restored"):
            async with newcomer.daemon() as joined, child.open_nursery() as nursery:
                engine = await members.join(nursery, partial(logged, joined, moment))
                await joined.kill()
                await engine.stop()
            # Nothing of the snapshot, or all of it.
            assert blocks(members.logs[1]) in (0, *members.snapshot_heights())
        # Releases from 0.37 on don't start again if they are stopped before their first block.
        await reset(members.engine.binary, newcomer)
        async with newcomer.daemon(), child.open_nursery() as nursery:
            here = await source.rpc.application()
            again = await members.join(nursery, partial(reached, tip))
            assert await again.rpc.application() == here
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
        await members.rest(daemon, source.rpc)
        await members.introduce(source.rpc)
        assert min(members.snapshot_heights()) > 3
        async with members.newcomer.daemon() as joined, child.open_nursery() as nursery:
            engine = await members.join(nursery, partial(logged, joined, "is false"))
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
        await members.rest(daemon, source.rpc)
        await members.introduce(source.rpc)
        for height in members.snapshot_heights():
            spoil(members.member.settings.home / "snapshots" / str(height))
        async with members.newcomer.daemon() as joined, child.open_nursery() as nursery:
            engine = await members.join(
                nursery, partial(logged, joined, "chunk 0 from")
            )
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
