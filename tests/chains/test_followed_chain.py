"""A chain of the Cosmos SDK is followed: what it does, and what its operator may do to it."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.chains.simd import FEES, Simd, reached
from scripts.engines.process import RpcError, RunningEngine
from tests.chains.conftest import MakeChain
from tests.chains.following import (
    PATIENCE,
    Following,
    assert_equal,
    assert_holds,
    follow,
    followed,
    results,
    stored,
)
from trio_stream.cometbft.events import Spelling
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.cometbft.results import TxResult
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.troubles import Forked, Unobtainable
from trio_stream.log.followed.reader import FollowedReader

pytestmark = pytest.mark.engine

WITH_GAPS = FollowSettings(start=1, allow_gaps=True, poll=0.2)
RECIPIENTS = 1000
STEPS = 10
"""Places in the commit of a block at which the engine can be told to exit."""


async def executed(node: RunningEngine, tx_hash: str) -> int:
    """Wait until a transaction is in a block, and there is one after it; its height."""
    with trio.fail_after(PATIENCE):
        height = await child.poll(
            lambda: found(node, tx_hash), seconds=PATIENCE, what=tx_hash
        )
    await reached(node, height + 1)
    return height


async def found(node: RunningEngine, tx_hash: str) -> int | None:
    try:
        return int(
            (
                await node.rpc.call(
                    "tx", hash=b64encode(bytes.fromhex(tx_hash)).decode()
                )
            )["height"]
        )
    except (RpcError, trio.TooSlowError):
        return None


def outcomes(blocks: list[FollowedBlock]) -> Mapping[str, TxResult]:
    """What became of each transaction, by its hash."""
    return {
        tx_hash: result
        for each in blocks
        for tx_hash, result in zip(each.block.tx_hashes, each.results.txs, strict=True)
    }


def values(result: TxResult, kind: str, key: str) -> list[str]:
    """All values of an attribute."""
    return [
        attribute.value
        for event in result.events
        if event.type == kind
        for attribute in event.attributes
        if attribute.key == key
    ]


async def test_transfers_are_stored_as_the_node_says_them(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd, home = make_chain(), tmp_path / "followed"
    async with simd.running() as node:
        alice, bob = await simd.address("alice"), await simd.address("bob")
        async with followed(simd, home) as following:
            good = await simd.send(bob, "7stake")
            await executed(node, good)
            failing = await simd.send(bob, "7000000000000stake")
            await executed(node, failing)
            many = await simd.multi_send([bob] * RECIPIENTS, "1stake")
            height = await executed(node, many)
            await following.reached(height + 1)
        blocks = await stored(home)
        await assert_equal(blocks, node)
    became = outcomes(blocks)
    assert list(became) == [good, failing, many]
    assert [each.code for each in became.values()] == [0, 5, 0]
    assert values(became[good], "transfer", "recipient")[-1] == bob
    assert values(became[good], "transfer", "sender")[-1] == alice
    assert values(became[good], "transfer", "amount") == [FEES, "7stake"]
    # Who fails pays all the same.
    assert values(became[failing], "tx", "fee") == [FEES]
    assert values(became[failing], "transfer", "amount") == [FEES]
    assert len(became[many].events) > 2 * RECIPIENTS
    assert values(became[many], "transfer", "recipient").count(bob) == RECIPIENTS
    plain = simd.chain.line >= (0, 47)
    spelling = Spelling.PLAIN if plain else Spelling.BASE64
    assert {each.results.spelling for each in blocks} == {spelling}


async def test_nothing_is_lost_when_node_and_follower_stop_or_are_killed(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd, home = make_chain(), tmp_path / "followed"
    sent: list[str] = []
    bob = await simd.address("bob")
    async with followed(simd, home) as following:
        for end in ("stop", "kill", "kill"):
            async with child.open_nursery() as nursery:
                node = await simd.start(nursery)
                await node.ready()
                # SDK 0.46 does not know its chain's id before its next block.
                await reached(node, await node.rpc.height() + 1)
                tx_hash = await simd.send(bob, "1stake")
                sent.append(tx_hash)
                height = await executed(node, tx_hash)
                await following.reached(height)
                await (node.stop() if end == "stop" else node.kill())
    # Meanwhile nobody follows.
    async with simd.running() as node:
        sent.append(await simd.send(bob, "1stake"))
        height = await executed(node, sent[-1])
        async with followed(simd, home) as following:
            await following.reached(height + 1)
        blocks = await stored(home)
        await assert_equal(blocks, node, kills=2)
        await assert_holds(blocks, sent, node)


async def test_a_node_may_die_at_any_step_of_a_commit(
    make_chain: MakeChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simd, home = make_chain(), tmp_path / "followed"
    async with followed(simd, home) as following:
        for step in range(STEPS, 2 * STEPS):
            # The engine's own way to be tested: it exits when it gets there.
            monkeypatch.setenv("FAIL_TEST_INDEX", str(step))
            async with child.open_nursery() as nursery:
                node = await simd.start(nursery)
                with trio.fail_after(PATIENCE):
                    assert await node.wait() == 1
        monkeypatch.delenv("FAIL_TEST_INDEX")
        async with simd.running() as node:
            tx_hash = await simd.send(await simd.address("bob"), "1stake")
            await following.reached(await executed(node, tx_hash))
            blocks = await stored(home)
            await assert_equal(blocks, node, kills=STEPS)
            await assert_holds(blocks, [tx_hash], node)


async def test_a_rollback_that_executes_a_block_again_changes_nothing(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd, home = make_chain(), tmp_path / "followed"
    async with followed(simd, home) as following:
        async with simd.running() as node:
            height = await executed(
                node, await simd.send(await simd.address("bob"), "1stake")
            )
            await following.reached(height)
        await simd.command("rollback")
        async with simd.running() as node:
            top = await reached(node, following.tip.height + 3)
            await following.reached(top)
    async with simd.running() as node:
        await assert_equal(await stored(home), node)


async def rolled_back(simd: Simd, blocks: int) -> None:
    """Remove the newest blocks, and have others made in their place."""
    for _ in range(blocks):
        await simd.command("rollback", "--hard")
    # Or the validator refuses to sign again at heights at which it has signed.
    state = {"height": "0", "round": 0, "step": 0}
    (simd.home / "data" / "priv_validator_state.json").write_text(json.dumps(state))
    shutil.rmtree(simd.home / "data" / "cs.wal")


async def test_another_block_at_a_stored_height_is_a_fork(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd, home = make_chain(), tmp_path / "followed"
    if simd.chain.line < (0, 47):
        pytest.skip("SDK 0.46 has no rollback --hard")
    following = Following()
    with trio.fail_after(2 * PATIENCE):
        with pytest.raises(Forked) as live:
            async with child.open_nursery() as nursery:
                nursery.start_soon(follow, simd, home, following)
                async with simd.running() as node:
                    await following.reached(await reached(node, 5))
                await rolled_back(simd, 3)
                async with simd.running():
                    # Above the tip that is stored, the link to it is missing.
                    await trio.sleep_forever()
        before = [each.hash for each in await stored(home)]
        assert f"fork at block {len(before)}: " in str(live.value)
        async with simd.running() as node:
            await reached(node, len(before) + 1)
            with pytest.raises(Forked) as at_start:
                await follow(simd, home, following)
        assert f"fork at block {len(before)}: " in str(at_start.value)
        assert "in a new home" in at_start.value.hint
        assert [each.hash for each in await stored(home)] == before


def prune_soon(simd: Simd) -> None:
    """Let the application drop blocks soon; for a chain without any."""
    path = simd.home / "config" / "genesis.json"
    genesis = json.loads(path.read_text())
    params = (
        genesis["consensus_params"]
        if "consensus_params" in genesis
        else genesis["consensus"]["params"]
    )
    params["evidence"]["max_age_num_blocks"] = "2"
    path.write_text(json.dumps(genesis))


async def test_pruned_blocks_are_named_or_a_gap(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    simd, home = make_chain(application={("", "min-retain-blocks"): 5}), tmp_path / "f"
    prune_soon(simd)
    async with simd.running() as node:
        await reached(node, 20)
        with pytest.raises(Unobtainable) as stopped:
            with trio.fail_after(PATIENCE):
                await follow(simd, home, Following(), FollowSettings(start=1))
        assert stopped.value.reason == "pruned"
        assert "--allow-gaps" in stopped.value.hint
        async with followed(simd, home, WITH_GAPS) as following:
            await following.reached(await reached(node, 25))
        gap, *blocks = await entries(home)
        assert isinstance(gap, Gap) and gap.reason == "pruned"
        assert gap.first == 1 and gap.last >= 10
        assert blocks and all(isinstance(each, FollowedBlock) for each in blocks)


async def test_discarded_results_are_named_or_a_gap(
    make_chain: MakeChain, tmp_path: Path
) -> None:
    setting = ("storage", "discard_abci_responses")
    simd, home = make_chain({setting: True}), tmp_path / "followed"
    async with simd.running() as node:
        await reached(node, 3)
        with pytest.raises(Unobtainable) as stopped:
            with trio.fail_after(PATIENCE):
                await follow(simd, home, Following())
        assert stopped.value.reason == "discarded"
        assert "discard_abci_responses" in stopped.value.hint
    # The operator turns it off. What was made before is lost, and said to be.
    simd = Simd(simd.chain, simd.home, simd.rpc_port, simd.p2p_port, {setting: False})
    async with simd.running() as node:
        first = await reached(node, 4)
        top = await reached(node, first + 2)
        async with followed(simd, home, WITH_GAPS) as following:
            await following.reached(top)
        some = await entries(home)
        gaps = [each for each in some if isinstance(each, Gap)]
        blocks = [each for each in some if isinstance(each, FollowedBlock)]
        assert gaps[0].first == 1 and blocks
        assert [each.height for each in blocks] == list(
            range(gaps[-1].last + 1, following.tip.height + 1)
        )
        for each in blocks:
            assert each.raw_results == await results(node, each.height)


async def entries(home: Path) -> list[FollowedBlock | Gap]:
    reader = FollowedReader(home / "log.db")
    found = await reader.blocks_after(0, max_bytes=1 << 30)
    await reader.aclose()
    return found
