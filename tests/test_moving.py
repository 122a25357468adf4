"""A chain ends with its migration and another one goes on, through the whole daemon."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import http_client
from scripts.signing import create, encode, transfer
from tests.fake_engine import Block, Chain, EngineStopped, FakeEngine
from tests.ledger.chains import ALICE
from tests.test_daemon import engine_at, host_and_port, running, settings
from tests.voting import GENESIS, KEYS, election, migration, vote
from trio_stream.__main__ import main
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.client import Event, Events, open_stream
from trio_stream.ledger.genesis_file import genesis_file
from trio_stream.log.file import FILE_NAME
from trio_stream.log.succession import succession
from trio_stream.node import Addresses

DIALECTS = ["T31", "T32", "T33", "T34", "C37", "C38", "C39", "C10"]
ASSET = create(ALICE)
OPENED, CHANGE = migration(), election(power=5)
HELP = "see trio-stream help moving"


async def get(addresses: Addresses, target: str) -> http_client.Response:
    place = host_and_port(addresses.api)
    return await http_client.fetch(*place, "GET", target)


async def state(addresses: Addresses) -> dict[str, Any]:
    document: dict[str, Any] = (await get(addresses, "/api/v1/status")).json()
    return document


async def live_and_end(engine: FakeEngine, *last: bytes) -> Block:
    """Three blocks; with the third one the chain ends."""
    await engine.handshake()
    await engine.block(encode(ASSET))
    await engine.block(encode(OPENED), encode(CHANGE))
    votes = [encode(vote(OPENED, key)) for key in KEYS[:3]]
    return await engine.block(*last, *votes)


def next_chain(home: Path) -> Chain:
    """The chain of the genesis file that `trio-stream genesis` would write."""
    found = succession(home / FILE_NAME, lambda done, total: None)
    name = found.ended.next_chain_id
    file = genesis_file(name, found.end, found.time, found.validators)
    document = json.loads(file)
    return Chain(
        chain_id=document["chain_id"],
        validators=tuple(
            ValidatorUpdate(
                "ed25519",
                base64.b64decode(each["pub_key"]["value"]),
                int(each["power"]),
            )
            for each in document["validators"]
        ),
        app_state=json.dumps(document["app_state"]).encode(),
        initial_height=int(document["initial_height"]),
    )


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_no_block_follows_a_migration_and_everybody_is_told_why(
    tmp_path: Path, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    chain = Chain(validators=tuple(GENESIS))
    why = "chain 'test-chain' was migrated at height 3"
    late = encode(create(ALICE, data={"late": True}))
    async with running(settings(tmp_path)) as addresses:
        async with engine_at(addresses, dialect, chain) as engine:
            assert (await live_and_end(engine)).updates == ()
            (checked,) = await engine.check(late)
            assert (checked.code, checked.log[:12]) == (1, "ChainEnded: ")
            with pytest.raises(EngineStopped, match=f"block 4: {why}.*{HELP}"):
                await engine.block()
    for _ in "an engine that starts again", "a daemon as well":
        caplog.clear()
        async with running(settings(tmp_path)) as addresses:
            assert why in caplog.text
            async with engine_at(addresses, dialect, chain) as engine:
                with pytest.raises(EngineStopped, match=f"InitChain: .*{why}.*{HELP}"):
                    await engine.handshake()
            ended = (await state(addresses))["ended"]
            assert (ended["height"], ended["migrated_at"]) == (3, 3)
            ready = await get(addresses, "/health/ready")
            assert (ready.status, ready.json()["chain"]) == (503, ended["message"])
            place = host_and_port(addresses.api)
            posted = await http_client.fetch(
                *place, "POST", "/api/v1/transactions?mode=commit", late
            )
            assert (posted.status, posted.json()) == (
                503,
                {"message": ended["message"]},
            )
            found = await get(addresses, f"/api/v1/transactions/{ASSET['id']}")
            assert found.json() == ASSET


@pytest.mark.parametrize(
    ("old", "dialect"), [*(("T31", each) for each in DIALECTS[3:]), ("C38", "C38")]
)
async def test_another_chain_goes_on_and_its_first_block_may_wait(
    tmp_path: Path, old: str, dialect: str
) -> None:
    home = tmp_path / "home"
    changes = [encode(vote(CHANGE, key)) for key in KEYS[:3]]
    async with running(settings(home)) as addresses:
        async with engine_at(
            addresses, old, Chain(validators=tuple(GENESIS))
        ) as engine:
            # A change of validators in the same block: the old engine is not told.
            last = await live_and_end(engine, *changes)
            assert last.updates == ()
    chain = next_chain(home)
    assert chain.chain_id == "test-chain-migrated-at-height-2"
    assert (chain.initial_height, len(chain.validators)) == (4, 5)
    for _ in range(2):
        async with running(settings(home)) as addresses:
            async with engine_at(addresses, dialect, chain) as engine:
                assert (await engine.handshake()).last_block_height == 0
                assert chain.start_hash == last.app_hash
    async with running(settings(home)) as addresses:
        async with engine_at(addresses, dialect, chain) as engine:
            await engine.handshake()
            spent, twice = transfer(ASSET, ALICE), encode(ASSET)
            block = await engine.block(encode(spent), twice)
            assert [each.code for each in block.results] == [0, 1]
            assert block.height == 4
        said = await state(addresses)
        assert said["chain_id"] == chain.chain_id
        # Its height is that of the stream, which may not have taken in the block yet.
        assert (await get(addresses, "/api/v1/blocks/4")).json()["height"] == 4
        assert said["ended"] is None
    async with running(settings(home)) as addresses:
        async with engine_at(addresses, dialect, chain) as engine:
            assert (await engine.handshake()).last_block_height == 4
            await engine.block()
    assert main(["check", "--home", str(home), "--processes", "1"]) == 0


async def test_a_subscriber_that_resumes_across_the_move_loses_nothing(
    tmp_path: Path,
) -> None:
    home, position = tmp_path / "home", tmp_path / "position"
    got: list[Event] = []

    async def take(addresses: Addresses, count: int) -> None:
        """So many events, with another client each time."""
        stream = f"{addresses.stream.partition('/api')[0]}"
        async with open_stream(stream, after="earliest", checkpoint=position) as events:
            got.extend([await anext(events) for _ in range(count)])

    async with running(settings(home)) as addresses:
        async with engine_at(addresses, "T31", Chain(validators=tuple(GENESIS))) as old:
            await live_and_end(old)
            await take(addresses, 4)
    chain = next_chain(home)
    async with running(settings(home)) as addresses:
        async with engine_at(addresses, "C38", chain) as engine:
            await engine.handshake()
            await take(addresses, 1)
            block = await engine.block(encode(transfer(ASSET, ALICE)))
            assert [each.code for each in block.results] == [0]
            await take(addresses, 2)
    places = [(each["height"], each["index"]) for each in got]
    assert places == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 0)]


async def test_a_subscriber_follows_one_stream_across_the_move(tmp_path: Path) -> None:
    got: list[int] = []
    all_came = trio.Event()

    async def follow(events: Events) -> None:
        async for event in events:
            got.append(event["height"])
            if len(got) == 7:
                all_came.set()

    async with running(settings(tmp_path)) as addresses:
        async with open_stream(addresses.stream, after="earliest") as events:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow, events)
                async with engine_at(
                    addresses, "T31", Chain(validators=tuple(GENESIS))
                ) as old:
                    await live_and_end(old)
                chain = next_chain(tmp_path)
                async with engine_at(addresses, "C38", chain) as engine:
                    await engine.handshake()
                    await engine.block(encode(transfer(ASSET, ALICE)))
                await all_came.wait()
                nursery.cancel_scope.cancel()
    assert got == [1, 2, 2, 3, 3, 3, 4]


async def test_a_log_with_another_digest_is_refused_with_both(tmp_path: Path) -> None:
    for name, text in ("one", "this"), ("two", "that"):
        async with running(settings(tmp_path / name)) as addresses:
            async with engine_at(
                addresses, "T31", Chain(validators=tuple(GENESIS))
            ) as old:
                other = encode(create(ALICE, data={"only": text}))
                await live_and_end(old, other)
    chain = next_chain(tmp_path / "one")
    mine, theirs = [
        json.loads(each.app_state)["continues"]["digest"]
        for each in (chain, next_chain(tmp_path / "two"))
    ]
    async with running(settings(tmp_path / "two")) as addresses:
        async with engine_at(addresses, "C38", chain) as engine:
            with pytest.raises(EngineStopped, match="app hash"):
                await engine.handshake()
        # The same app hash, but another history.
        wrong = json.loads(next_chain(tmp_path / "two").app_state)
        wrong["continues"]["digest"] = mine
        chain.app_state = json.dumps(wrong).encode()
        async with engine_at(addresses, "C38", chain) as engine:
            with pytest.raises(EngineStopped, match=f"{mine}.*{theirs}"):
                await engine.handshake()
        assert (await state(addresses))["ended"]["height"] == 3
