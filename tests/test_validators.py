"""Validators are voted in and out, through the whole daemon and in each dialect of ABCI."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import http_client
from scripts.signing import Document, encode
from tests.fake_engine import Chain, EngineStopped, FakeEngine
from tests.test_daemon import engine_at, host_and_port, running, settings
from tests.voting import GENESIS, KEYS, NEWCOMER, POWER, election, key_of, vote
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.node import Addresses

DIALECTS = ["T31", "T32", "T33", "T34", "C37", "C38", "C39", "C10"]


async def commit(
    engine: FakeEngine, *documents: Document
) -> tuple[ValidatorUpdate, ...]:
    block = await engine.block(*map(encode, documents))
    assert [result.code for result in block.results] == [0] * len(documents)
    return block.updates


async def powers(addresses: Addresses) -> list[int]:
    place = host_and_port(addresses.api)
    answer = await http_client.fetch(*place, "GET", "/api/v1/validators")
    found = answer.json()
    assert isinstance(found, list)
    return [each["voting_power"] for each in found]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_engine_is_told_of_new_validators_and_again_when_it_replays(
    tmp_path: Path, dialect: str
) -> None:
    chain = Chain(validators=tuple(GENESIS))
    joins = election(power=5)
    everybody = [*((key, POWER) for key in KEYS), (NEWCOMER, 5)]
    leaves = election(KEYS[3], power=0, recipients=everybody)
    async with running(settings(tmp_path / "home")) as addresses:
        async with engine_at(addresses, dialect, chain) as engine:
            await engine.handshake()
            assert await commit(engine, joins) == ()
            assert await commit(engine, *(vote(joins, key) for key in KEYS[:3])) == (
                ValidatorUpdate("ed25519", key_of(NEWCOMER), 5),
            )
            assert await powers(addresses) == [10, 10, 10, 10, 5]
            assert await commit(engine, leaves) == ()
            assert await commit(engine, *(vote(leaves, key) for key in KEYS[:3])) == (
                ValidatorUpdate("ed25519", key_of(KEYS[3]), 0),
            )
            assert await powers(addresses) == [10, 10, 10, 5]
    async with running(settings(tmp_path / "fresh")) as addresses:
        async with engine_at(addresses, dialect, chain) as engine:
            # It compares hashes and changes with those of before.
            await engine.handshake()
            assert await powers(addresses) == [10, 10, 10, 5]


@pytest.mark.parametrize("dialect", ["T31", "C38"])
async def test_the_engine_outlives_every_election(tmp_path: Path, dialect: str) -> None:
    """Both of two validators are voted out; the stand-in stops where an engine would."""
    chain = Chain(validators=tuple(GENESIS[:2]))
    tokens = [(key, POWER) for key in KEYS[:2]]
    out = [election(key, power=0, recipients=tokens) for key in KEYS[:2]]
    async with running(settings(tmp_path)) as addresses:
        async with engine_at(addresses, dialect, chain) as engine:
            await engine.handshake()
            await commit(engine, *out)
            for each in out:
                await commit(engine, *(vote(each, key) for key in KEYS[:2]))
            assert await powers(addresses) == [10]
            alone = election(
                KEYS[1], power=0, proposer=KEYS[1], recipients=[(KEYS[1], POWER)]
            )
            (result,) = await engine.check(encode(alone))
            reason = "the last validator can't be removed"
            assert result.log == f"FatalElection: {reason}"
            place = host_and_port(addresses.api)
            posted = await http_client.fetch(
                *place, "POST", "/api/v1/transactions", encode(alone)
            )
            assert (posted.status, posted.json()["message"]) == (
                400,
                f"Invalid transaction (FatalElection): {reason}",
            )
            # As from a proposer who does not care: the block is valid, the change is not made.
            await commit(engine, alone)
            assert await commit(engine, vote(alone, KEYS[1])) == ()
            assert await powers(addresses) == [10]


def test_the_stand_in_stops_where_an_engine_does() -> None:
    async def connect() -> None: ...

    engine = FakeEngine("C38", connect, chain=Chain())  # type: ignore[arg-type]  # unused
    (member,) = engine.chain.validators
    for bad in (
        member._replace(power=-1),
        member._replace(power=0),
        member._replace(key_type="secp256k1"),
        member._replace(key=bytes(31)),
        member._replace(key=bytes(32), power=0),
    ):
        with pytest.raises(EngineStopped):
            engine.take([bad], 1)
