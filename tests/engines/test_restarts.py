"""Engine or daemon stop, orderly or by SIGKILL, under load; the chain goes on, nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from scripts import child, signing
from scripts.daemon_process import RunningDaemon
from scripts.engines import process as engine_process
from scripts.engines.process import NOT_THERE, RpcError, RunningEngine
from tests.engines.site import (
    ALICE,
    BOB,
    PATIENCE,
    Event,
    Site,
    Subscriber,
    commit,
    log_of,
    settled,
    subscribed,
)

pytestmark = pytest.mark.engine

End = Callable[[child.Child], Awaitable[int]]

ENDS = [
    pytest.param(child.Child.stop, id="stopped"),
    pytest.param(child.Child.kill, id="killed"),
]


@pytest.mark.parametrize("end", ENDS)
async def test_the_chain_goes_on_after_its_engine(site: Site, end: End) -> None:
    async with site.daemon() as daemon, subscribed(daemon) as client:
        async with site.engine() as engine:
            await under_load(daemon, client, engine, end)
        async with site.engine() as engine:
            # The daemon was there all the time, and so was its subscriber.
            await goes_on(daemon, client, engine, before=[])
            assert client.events == await log_of(daemon)


@pytest.mark.parametrize("end", ENDS)
async def test_the_chain_goes_on_after_the_daemon(site: Site, end: End) -> None:
    async with site.daemon() as daemon, subscribed(daemon) as client:
        async with site.engine() as engine:
            status = await under_load(daemon, client, daemon, end)
            orderly = end is child.Child.stop
            assert status == (0 if orderly else -9)
            await leaves(site, engine, orderly=orderly)
        before = await rest_of(client)
    async with site.daemon() as daemon, subscribed(daemon) as client:
        async with site.engine() as engine:
            await goes_on(daemon, client, engine, before=before)


async def test_both_may_be_killed_at_once(site: Site) -> None:
    async with site.daemon() as daemon, subscribed(daemon) as client:
        async with site.engine() as engine:

            async def both(process: child.Child) -> int:
                await engine.kill()
                return await process.kill()

            await under_load(daemon, client, daemon, both)
        before = await rest_of(client)
    async with site.daemon() as daemon, subscribed(daemon) as client:
        async with site.engine() as engine:
            await goes_on(daemon, client, engine, before=before)


async def test_the_engine_may_start_before_the_daemon(site: Site) -> None:
    await site.prepare()
    async with child.open_nursery() as nursery:
        engine = await site.start_engine(nursery)
        async with site.daemon() as daemon:
            await engine.ready()
            await commit(daemon, signing.create(ALICE))


async def under_load(
    daemon: RunningDaemon, client: Subscriber, victim: child.Child, end: End
) -> int:
    """End `victim` in the middle of a burst of transactions; its exit status."""
    documents = [signing.create(ALICE, data={"n": n}) for n in range(400)]
    async with trio.open_nursery() as nursery:
        for start in range(4):
            nursery.start_soon(post_while_possible, daemon, documents[start::4])
        while len(client.events) < 50:
            await client.next()
        with trio.fail_after(PATIENCE):
            status = await end(victim)
        nursery.cancel_scope.cancel()
    return status


async def post_while_possible(
    daemon: RunningDaemon, documents: list[signing.Document]
) -> None:
    """A post while a part of the chain goes down gets an error or no answer."""
    for document in documents:
        try:
            answer = await daemon.post(signing.encode(document))
        except NOT_THERE:
            return
        assert answer.status in (202, 500, 503)


async def leaves(site: Site, engine: RunningEngine, *, orderly: bool) -> None:
    """What the engine does without its application: it ends by itself, or is of no use."""
    # One of 0.38 may wait for an answer that never comes; but not if we stopped in order.
    may_wait = site.release >= (0, 38) and not orderly
    stays = site.release < (0, 34)
    with trio.move_on_after(
        engine_process.GRACE if may_wait or stays else PATIENCE
    ) as patience:
        assert await engine.wait() == 0
    if patience.cancelled_caught and stays:
        with pytest.raises((RpcError, *NOT_THERE)):
            await engine.rpc.application()
    else:
        assert may_wait or not patience.cancelled_caught


async def rest_of(client: Subscriber) -> list[Event]:
    """All that the subscriber got, up to the end of its connection."""
    while True:
        try:
            await client.next()
        except trio.EndOfChannel:
            return client.events


async def goes_on(
    daemon: RunningDaemon,
    client: Subscriber,
    engine: RunningEngine,
    *,
    before: list[Event],
) -> None:
    """New transactions are committed on top of all that was there."""
    created = signing.create(BOB, data={"after": "all"})
    moved = signing.transfer(created, BOB, recipients=[(ALICE, 1)])
    await commit(daemon, created)
    await commit(daemon, moved)
    await client.until([created["id"], moved["id"]])
    await settled(engine.rpc)
    log = await log_of(daemon)
    # Messages to a subscriber stay true: at the same heights, in the same order.
    assert log[: len(before)] == before
    seen = client.events
    assert log[len(log) - len(seen) :] == seen
    ids = [event["transaction_id"] for event in log]
    assert len(ids) == len(set(ids))
