"""What is not valid is refused at CheckTx; what became invalid later, in its block."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import signing
from scripts.engine_process import RunningEngine
from scripts.engines import Engine
from tests.engine.site import (
    ALICE,
    BOB,
    CAROL,
    Site,
    Subscriber,
    check,
    commit,
    log_of,
    settled,
    subscribed,
)

pytestmark = pytest.mark.engine


async def test_invalid_transactions_are_refused_at_check_tx(site: Site) -> None:
    async with site.daemon() as daemon, site.engine() as engine:
        forged = signing.create(ALICE, data={"name": "a violin"})
        forged["asset"]["data"]["name"] = "a piano"
        unsigned = signing.seal(forged)
        for document in (
            unsigned,
            {"id": None},
            {**signing.create(BOB), "id": "0" * 64},
        ):
            code, log = await check(engine.rpc, signing.encode(document))
            assert code != 0
            assert log
            answer = await daemon.post(signing.encode(document))
            assert answer.status == 400
            assert "Invalid transaction" in answer.json()["message"]
        assert await log_of(daemon) == []


async def test_a_double_spend_is_refused_at_check_tx(site: Site) -> None:
    async with site.daemon() as daemon, site.engine() as engine:
        created = signing.create(ALICE)
        await commit(daemon, created)
        await commit(daemon, signing.transfer(created, ALICE, recipients=[(BOB, 1)]))
        again = signing.transfer(created, ALICE, recipients=[(CAROL, 1)])
        code, log = await check(engine.rpc, signing.encode(again))
        assert code != 0
        assert "DoubleSpend" in log
        answer = await daemon.post(signing.encode(again))
        assert answer.status == 400
        assert "(DoubleSpend)" in answer.json()["message"]


async def test_conflicts_within_a_block_are_refused_in_the_block(
    engine: Engine, tmp_path: Path
) -> None:
    # A second's pause after each block: long enough to gather transactions for the next.
    site = Site(engine, tmp_path, settings={("consensus", "timeout_commit"): "1s"})
    async with site.daemon() as daemon, site.engine() as engine_:
        async with subscribed(daemon) as client:
            height, raws = await block_of_conflicts(engine_, client)
            codes = await engine_.rpc.codes(height)
            winners = [raw for raw, code in zip(raws, codes, strict=True) if code == 0]
            losers = [raw for raw, code in zip(raws, codes, strict=True) if code != 0]
            # First come, first served; both orders are the engine's to choose.
            assert len(winners) == len(losers) == 2
            block = await daemon.http("GET", f"/api/v1/blocks/{height}")
            assert block.json()["transactions"] == [json.loads(raw) for raw in winners]
            await client.until(json.loads(raw)["id"] for raw in winners)
            await settled(engine_.rpc)
            assert client.events == await log_of(daemon)
            for raw in losers:
                code, _ = await check(engine_.rpc, raw)
                assert code != 0


async def block_of_conflicts(
    engine: RunningEngine, client: Subscriber
) -> tuple[int, list[bytes]]:
    """A block with two spends of one output, and with one CREATE in two spellings.

    CheckTx judges by what is committed, so it passes all four, if they come before any is in
    a block. Whether they do is the engine's business; so ask for it until it happens.
    """
    for attempt in range(10):
        created = signing.create(ALICE, data={"attempt": attempt})
        await engine.rpc.broadcast("sync", signing.encode(created))
        await client.until([created["id"]])
        spends = [
            signing.transfer(created, ALICE, recipients=[(other, 1)])
            for other in (BOB, CAROL)
        ]
        twin = signing.create(BOB, data={"attempt": attempt})
        raws = [signing.encode(spend) for spend in spends]
        raws += [signing.encode(twin), json.dumps(twin, indent=1).encode()]
        for raw in raws:
            await engine.rpc.broadcast("async", raw)
        await client.until([twin["id"]])
        height = client.events[-1]["height"]
        found = await engine.rpc.transactions(height)
        if sorted(found) == sorted(raws):
            return height, found
    raise AssertionError("the engine never put the four into one block")
