"""A daemon restores what another one serves, and goes on from there, in each dialect that can."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import http_client
from scripts.raw_stream import open_raw_stream
from scripts.signing import create, encode, transfer
from tests.fake_engine import GENESIS_TIME, Chain, EngineStopped, FakeEngine
from tests.state_syncing import block_sync, made, snapshots, state_sync
from tests.stub_rpc import StubRpc
from tests.test_daemon import (
    ALICE,
    BOB,
    engine_at,
    host_and_port,
    running,
    settings,
)
from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.node import Addresses

DIALECTS = ["T34", "C37", "C38", "C39", "C10"]

STREAMS = (
    "valid_transactions?detail=full",
    "valid_blocks?detail=position&empty_blocks=1",
    "refused_transactions?detail=position",
)


@asynccontextmanager
async def both(home: Path, *, node: str) -> AsyncIterator[tuple[Addresses, Addresses]]:
    """A daemon that makes snapshots, and one that will restore one of them."""
    member = settings(home / "member", snapshot_interval=10)
    newcomer = settings(home / "newcomer", node=node)
    # Signals reach the one that started last until it has ended.
    async with running(member) as source, running(newcomer) as target:
        yield source, target


def genesis(chain: Chain, **changed: object) -> dict[str, Any]:
    """What the RPC of an engine with this chain says of its genesis file."""
    assert GENESIS_TIME.seconds == 1_577_836_800
    validators = [
        {
            "pub_key": {
                "type": "tendermint/PubKeyEd25519",
                "value": base64.b64encode(each.key).decode(),
            },
            "power": str(each.power),
        }
        for each in chain.validators
    ]
    document = {
        "genesis_time": "2020-01-01T00:00:00Z",
        "chain_id": chain.chain_id,
        "initial_height": str(chain.initial_height),
        "validators": validators,
        "app_state": {},
    }
    return {"result": {"genesis": {**document, **changed}}}


async def grow(engine: FakeEngine, first: int, last: int) -> None:
    """Blocks with accepted and refused transactions, some of them empty."""
    for number in range(first, last + 1):
        thing = create(ALICE, data={"number": number})
        moved = transfer(thing, ALICE, recipients=[(BOB, 1)])
        txs = (encode(thing), b"nonsense", encode(moved)) if number % 3 else ()
        await engine.block(*txs)


def door(addresses: Addresses) -> str:
    return "{}:{}".format(*host_and_port(addresses.stream))


async def said(addresses: Addresses, name: str) -> str:
    """A digest of everything that a stream says from the first block to the tip."""
    digest = hashlib.sha256()
    target = f"/api/v1/streams/{name}&after=earliest&until=tip"
    async with open_raw_stream(door(addresses), target) as stream:
        with suppress(trio.EndOfChannel):
            while True:
                digest.update(await stream.text())
    return digest.hexdigest()


async def status_of_block(addresses: Addresses, height: int) -> int:
    place = host_and_port(addresses.api)
    answer = await http_client.fetch(*place, "GET", f"/api/v1/blocks/{height}")
    return answer.status


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_newcomer_serves_the_whole_history_and_goes_on(
    dialect: str, tmp_path: Path
) -> None:
    async with StubRpc().serving() as stub:
        async with both(tmp_path, node=stub.url) as (source, target):
            async with (
                engine_at(source, dialect) as peer,
                engine_at(target, dialect) as engine,
                open_raw_stream(
                    door(target), f"/api/v1/streams/{STREAMS[1]}"
                ) as waiting,
            ):
                await peer.handshake()
                await grow(peer, 1, 13)
                await made(peer, 10)
                stub.answers.append(genesis(peer.chain))
                assert (await state_sync(engine, peer)).height == 10
                # A subscriber that waited gets all of it.
                for height in range(1, 11):
                    assert f'"height": {height},' in (await waiting.text()).decode()
                await block_sync(engine, peer)
                await grow(peer, 14, 15)
                await block_sync(engine, peer)
                assert await engine.info() == await peer.info()
                for name in STREAMS:
                    assert await said(source, name) == await said(target, name)


async def test_the_engine_may_restore_again_what_is_there(tmp_path: Path) -> None:
    """It was killed before it knew that the snapshot was restored."""
    async with StubRpc().serving() as stub:
        async with both(tmp_path, node=stub.url) as (source, target):
            async with engine_at(source, "C38") as peer:
                await peer.handshake()
                await grow(peer, 1, 11)
                await made(peer, 10)
                for _ in range(2):
                    stub.answers.append(genesis(peer.chain))
                    async with engine_at(target, "C38") as engine:
                        await state_sync(engine, peer)
                        assert (await engine.info()).last_block_height == 10


async def test_a_daemon_that_was_stopped_in_the_middle_begins_anew(
    tmp_path: Path,
) -> None:
    async with StubRpc().serving() as stub:
        chain = Chain()
        async with both(tmp_path, node=stub.url) as (source, target):
            async with (
                engine_at(source, "C38", chain) as peer,
                engine_at(target, "C38") as engine,
            ):
                await peer.handshake()
                await grow(peer, 1, 11)
                await made(peer, 10)
                stub.answers.append(genesis(chain))
                await state_sync(engine, peer, up_to=0)
        async with both(tmp_path, node=stub.url) as (source, target):
            assert await status_of_block(target, 1) == 404
            async with (
                engine_at(source, "C38", chain) as peer,
                engine_at(target, "C38") as engine,
            ):
                await peer.handshake()
                stub.answers.append(genesis(chain))
                await state_sync(engine, peer)
                await block_sync(engine, peer)
                assert await status_of_block(target, 11) == 200


LIES: dict[str, Any] = {
    "another chunk": lambda index, chunk: chunk[:-1] + bytes([chunk[-1] ^ 1]),
    "half a chunk": lambda index, chunk: chunk[: len(chunk) // 2],
    "no chunk": lambda index, chunk: b"",
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_chunk_that_is_not_the_promised_one_is_not_taken(
    lie: str, tmp_path: Path
) -> None:
    async with StubRpc().serving() as stub:
        async with both(tmp_path, node=stub.url) as (source, target):
            async with (
                engine_at(source, "C38") as peer,
                engine_at(target, "C38") as engine,
            ):
                await peer.handshake()
                await grow(peer, 1, 11)
                await made(peer, 10)
                stub.answers.append(genesis(peer.chain))
                with pytest.raises(EngineStopped, match="no peer is left"):
                    await state_sync(engine, peer, tamper=LIES[lie])
                assert (await engine.info()).last_block_height == 0
                assert await status_of_block(target, 1) == 404
                stub.answers.append(genesis(peer.chain))
                await state_sync(engine, peer)
                assert await status_of_block(target, 10) == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"chain_id": "another-chain"},
        {"genesis_time": "2020-01-01T00:00:01Z"},
        {"initial_height": "2"},
        {"validators": []},
    ],
    ids=str,
)
async def test_a_snapshot_must_begin_as_the_engine_s_own_genesis_file_says(
    changed: dict[str, object], tmp_path: Path
) -> None:
    async with StubRpc().serving() as stub:
        async with both(tmp_path, node=stub.url) as (source, target):
            async with (
                engine_at(source, "C38") as peer,
                engine_at(target, "C38") as engine,
            ):
                await peer.handshake()
                await grow(peer, 1, 11)
                await made(peer, 10)
                stub.answers.append(genesis(peer.chain, **changed))
                with pytest.raises(EngineStopped, match="no snapshot was accepted"):
                    await state_sync(engine, peer)
                assert (await engine.info()).last_block_height == 0


async def test_nothing_is_restored_if_the_genesis_file_is_not_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with both(tmp_path, node="http://127.0.0.1:1") as (source, target):
        async with (
            engine_at(source, "C38") as peer,
            engine_at(target, "C38") as engine,
        ):
            await peer.handshake()
            await grow(peer, 1, 11)
            await made(peer, 10)
            with pytest.raises(EngineStopped, match="aborted"):
                await state_sync(engine, peer)
    assert "does not say what is in its genesis file" in caplog.text


async def test_a_node_that_was_not_asked_to_serves_none(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as source:
        async with engine_at(source, "C10") as engine:
            await engine.handshake()
            await grow(engine, 1, 3)
            found: tuple[Snapshot, ...] = tuple(await snapshots(engine))
            assert found == ()
