"""`trio-stream follow` before a chain of the Cosmos SDK, for somebody who watches accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import child
from scripts.chains.simd import FEES, Simd, reached
from scripts.daemon_process import RunningDaemon, run_daemon, start_daemon
from scripts.follower_process import FollowerSettings
from tests.chains.conftest import MakeChain
from tests.chains.following import PATIENCE
from tests.chains.test_followed_chain import executed, prune_soon, rolled_back

pytestmark = pytest.mark.engine

Message = dict[str, Any]


def following(
    simd: Simd, home: Path, *arguments: str, start: str = "earliest"
) -> FollowerSettings:
    nodes = [f"http://127.0.0.1:{simd.rpc_port}"]
    return FollowerSettings(home=home, node=nodes, start=start, arguments=arguments)


async def pulled(it: RunningDaemon, asked: str, count: int) -> list[Message]:
    """The messages of a pull, once there are so many."""

    async def there() -> list[Message] | None:
        target = f"/api/v1/events?after=earliest&limit=1000&{asked}"
        answer = await it.http("GET", target)
        assert answer.status == 200, answer.body
        found: list[Message] = answer.json()["events"]
        return found if len(found) >= count else None

    return await child.poll(there, seconds=PATIENCE, what=f"{count} messages")


async def test_deposits_are_watched_across_a_kill(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd = make_chain()
    settings = following(simd, tmp_path / "followed")
    async with simd.running() as node:
        alice, bob = await simd.address("alice"), await simd.address("bob")
        async with run_daemon(settings) as follower:
            first = await simd.send(bob, "7stake")
            await executed(node, first)
            await pulled(follower, f"stream=transactions&recipient={bob}", 1)
            await follower.kill()
        failed = await simd.send(bob, "7000000000000stake")
        await executed(node, failed)
        many = await simd.multi_send([bob] * 20, "1stake")
        await executed(node, many)
        async with run_daemon(settings) as follower:
            deposits = await pulled(follower, f"stream=transactions&recipient={bob}", 2)
            assert [each["tx_hash"] for each in deposits] == [first, many]
            everything = await pulled(
                follower, f"stream=transactions&sender={alice}", 3
            )
            assert [each["tx_hash"] for each in everything] == [first, failed, many]
            assert [each["code"] for each in everything] == [0, 5, 0]
            query = f"query=transfer.recipient='{bob}'%20AND%20transfer.amount=7"
            events = await pulled(follower, f"stream=events&match=event&{query}", 1)
            assert [each["tx_hash"] for each in events] == [first]
            (event,) = events
            values = {each["key"]: each["value"] for each in event["attributes"]}
            assert values["amount"] == "7stake" != FEES
            assert (values["sender"], values["recipient"]) == (alice, bob)
            assert await follower.stop() == 0, follower.last_words()


async def ended(settings: FollowerSettings) -> str:
    """What a follower says at last that cannot go on."""
    async with child.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            follower = await start_daemon(nursery, settings)
            assert await follower.wait() == 1, follower.last_words()
        return follower.last_words()


async def test_another_history_ends_the_follower_by_name(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd = make_chain()
    if simd.chain.line < (0, 47):
        pytest.skip("SDK 0.46 has no rollback --hard")
    settings = following(simd, tmp_path / "followed")
    async with run_daemon(settings) as follower:
        # To its last block: what is removed then must have been stored.
        async with simd.running() as node:
            await pulled(follower, "stream=blocks", await reached(node, 5))
            await node.stop()
        stored = await pulled(follower, "stream=blocks", 5)
        assert await follower.stop() == 0, follower.last_words()
    await rolled_back(simd, 3)
    async with simd.running() as node:
        await reached(node, stored[-1]["height"] + 1)
        said = await ended(settings)
    assert "fork at block" in said and "in a new home" in said


async def test_pruned_blocks_end_it_or_are_told_as_a_gap(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd = make_chain(application={("", "min-retain-blocks"): 5})
    prune_soon(simd)
    settings = following(simd, tmp_path / "followed", start="1")
    async with simd.running() as node:
        await reached(node, 20)
        assert "--allow-gaps" in await ended(settings)
        settings = following(simd, tmp_path / "followed", "--allow-gaps", start="1")
        async with run_daemon(settings) as follower:
            gap, *blocks = await pulled(follower, "stream=blocks", 3)
            assert gap["gap"]["first"] == 1 and gap["gap"]["reason"] == "pruned"
            assert blocks[0]["height"] == gap["gap"]["last"] + 1
            assert await follower.stop() == 0, follower.last_words()
