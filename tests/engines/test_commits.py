"""Signed transactions are committed on every engine, and their events arrive in order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from scripts import signing
from scripts.daemon_process import RunningDaemon
from scripts.engines.build import Release
from tests.engines.site import (
    ALICE,
    BOB,
    PATIENCE,
    Site,
    commit,
    event_of,
    log_of,
    settled,
    subscribed,
)

pytestmark = pytest.mark.engine


async def test_create_and_transfer_are_committed_in_each_mode(site: Site) -> None:
    async with site.daemon() as daemon, site.engine(), subscribed(daemon) as client:
        last = signing.create(ALICE, data={"name": "a bicycle"})
        for number, mode in enumerate(["commit", "sync", "async"] * 2):
            await commit(daemon, last, mode)
            event = await client.next()
            assert event == event_of(event["height"], last)
            shown = await daemon.http("GET", f"/api/v1/transactions/{last['id']}")
            assert (shown.status, shown.json()) == (200, last)
            signer, other = (ALICE, BOB) if number % 2 == 0 else (BOB, ALICE)
            last = signing.transfer(last, signer, recipients=[(other, 1)])
        assert await log_of(daemon) == client.events


async def test_a_burst_arrives_whole_and_in_the_order_of_the_blocks(site: Site) -> None:
    async with site.daemon() as daemon, site.engine() as engine:
        async with subscribed(daemon) as client:
            documents = [signing.create(ALICE, data={"n": n}) for n in range(200)]
            async with trio.open_nursery() as nursery:
                for start in range(8):
                    nursery.start_soon(post_all, daemon, documents[start::8])
                await client.until(document["id"] for document in documents)
        height = await settled(engine.rpc)
        in_blocks = [
            (number, raw)
            for number in range(1, height + 1)
            for raw in await engine.rpc.transactions(number)
        ]
        sent = {signing.encode(document): document for document in documents}
        assert client.events == [event_of(at, sent[raw]) for at, raw in in_blocks]
        assert len(client.events) == len(documents)
        assert await log_of(daemon) == client.events


async def test_all_subscribers_see_the_same(site: Site) -> None:
    async with site.daemon() as daemon, site.engine():
        async with subscribed(daemon) as one, subscribed(daemon) as two:
            documents = [signing.create(BOB, data={"n": n}) for n in range(5)]
            for document in documents:
                await commit(daemon, document)
            for client in (one, two):
                await client.until(document["id"] for document in documents)
            assert one.events == two.events


async def test_an_idle_chain_rests(site: Site) -> None:
    async with site.daemon() as daemon, site.engine() as engine:
        async with subscribed(daemon) as client:
            height = await settled(engine.rpc)
            for number in range(3):
                await commit(daemon, signing.create(ALICE, data={"n": number}))
                # The block of the transaction, and the one that signs its app hash.
                assert (await client.next())["height"] == height + 1
                height = await settled(engine.rpc)
                assert height == client.events[-1]["height"] + 1


async def test_the_engine_may_come_over_a_unix_socket(
    engine: Release, tmp_path: Path
) -> None:
    # The name of a socket has room for some hundred characters; tmp_path may be longer.
    with TemporaryDirectory(prefix="abci_") as folder:
        site = Site(engine, tmp_path, abci=f"unix://{folder}/abci.sock")
        async with site.daemon() as daemon, site.engine(), subscribed(daemon) as client:
            document = signing.create(ALICE)
            await commit(daemon, document)
            assert await client.next() == event_of(client.events[0]["height"], document)


async def post_all(daemon: RunningDaemon, documents: list[signing.Document]) -> None:
    with trio.fail_after(PATIENCE):
        for document in documents:
            await commit(daemon, document, "async")
