"""What is not valid is refused at CheckTx; what became invalid later, in its block."""

from __future__ import annotations

import json
import signal

import pytest

from scripts import signing
from scripts.daemon_process import RunningDaemon
from scripts.engines.process import RunningEngine
from tests.engines.site import (
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


async def test_conflicts_within_a_block_are_refused_in_the_block(site: Site) -> None:
    async with site.daemon() as daemon, site.engine() as engine:
        async with subscribed(daemon) as client:
            height, raws = await block_of_conflicts(daemon, engine, client)
            codes = await engine.rpc.codes(height)
            winners = [raw for raw, code in zip(raws, codes, strict=True) if code == 0]
            losers = [raw for raw, code in zip(raws, codes, strict=True) if code != 0]
            # First come, first served; the order is the engine's to choose.
            assert len(winners) == len(losers) == 2
            block = await daemon.http("GET", f"/api/v1/blocks/{height}")
            assert block.json()["transactions"] == [json.loads(raw) for raw in winners]
            await client.until(json.loads(raw)["id"] for raw in winners)
            await settled(engine.rpc)
            assert client.events == await log_of(daemon)
            for raw in losers:
                code, _ = await check(engine.rpc, raw)
                assert code != 0


async def block_of_conflicts(
    daemon: RunningDaemon, engine: RunningEngine, client: Subscriber
) -> tuple[int, list[bytes]]:
    """A block with two spends of one output, and with one CREATE in two spellings.

    CheckTx judges by what is committed, so it passes all four, if they come before any is in
    a block. So they are sent while the daemon is paused, and answered together when it wakes.
    Whether the engine then takes all of them is its business: ask until it does.
    """
    for attempt in range(100):
        created = signing.create(ALICE, data={"attempt": attempt})
        await commit(daemon, created)
        twin = signing.create(BOB, data={"attempt": attempt})
        raws = [
            signing.encode(signing.transfer(created, ALICE, recipients=[(other, 1)]))
            for other in (BOB, CAROL)
        ]
        raws += [signing.encode(twin), json.dumps(twin, indent=1).encode()]
        await settled(engine.rpc)
        daemon.send_signal(signal.SIGSTOP)
        for raw in raws:
            await engine.rpc.broadcast("async", raw)
        daemon.send_signal(signal.SIGCONT)
        await client.until([twin["id"]])
        height = client.events[-1]["height"]
        found = await engine.rpc.transactions(height)
        if sorted(found) == sorted(raws):
            return height, found
    raise AssertionError("the engine never put the four into one block")
