from __future__ import annotations

import pytest
import trio

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode, refused
from tests.follower.following import inline
from tests.follower.one_node import asking
from tests.follower.wires import http
from trio_stream.cometbft.errors import BrokenLink, Mismatch, OtherChain
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip
from trio_stream.follower.catch_up import Ahead
from trio_stream.follower.checks import Checks
from trio_stream.follower.nodes import Node
from trio_stream.follower.troubles import ContradictsStored, Trouble


async def block(node: Node, height: int) -> FollowedBlock:
    return (await node.pair(height)).followed()


def after(found: FollowedBlock, chain_id: str = "made") -> Checks:
    checks = Checks(chain_id, True, inline)
    checks.committed(FollowedTip(found.height, found.hash), found.results)
    return checks


async def test_a_block_is_held_against_the_one_before() -> None:
    chain = MadeChain(6)
    fake = FakeNode(chain)
    async with asking(fake) as node:
        four, five = await block(node, 4), await block(node, 5)
        await after(four).check(five)
        with pytest.raises(OtherChain):
            await after(four, "other").check(five)
        fake.chain = chain.copy(3, "other")
        for _ in range(3):
            fake.chain.grow()
        with pytest.raises(BrokenLink):
            await after(four).check(await block(node, 5))
        # After a gap there is nothing to hold it against.
        checks = after(four)
        checks.committed(FollowedTip(4, None), None)
        await checks.check(await block(node, 5))
        checks = after(four)
        checks.committed(FollowedTip(4, four.hash), five.results)
        with pytest.raises(Mismatch):
            await checks.check(five)


async def test_stored_results_that_are_contradicted_have_their_own_name() -> None:
    chain = MadeChain(6)
    fake = FakeNode(chain)
    async with asking(fake) as node:
        five = await block(node, 5)
        chain.results[4]["txs_results"][0]["code"] = 3
        with pytest.raises(ContradictsStored):
            await after(await block(node, 4)).check(five)


@pytest.mark.parametrize("source", ["ahead", "commit", "commit after trouble"])
async def test_the_next_header_is_asked_for(source: str) -> None:
    chain = MadeChain(6)
    fake = FakeNode(chain)
    async with asking(fake) as node, trio.open_nursery() as nursery:
        await node.status()
        checks = after(await block(node, 3))
        four = await block(node, 4)
        chain.results[4]["txs_results"][0]["code"] = 3
        wrong = await block(node, 4)
        ahead = Ahead(nursery, in_flight=2)
        if source == "commit after trouble":
            fake.special = lambda method, _: (
                http(b"hi") if method == "block_results" else None
            )
        if source != "commit":
            ahead.want(5, 5, lambda height: node)
        await checks.check_with_next(four, node, ahead)
        with pytest.raises(Mismatch, match="results of block 4"):
            await checks.check_with_next(wrong, node, ahead)
        assert ("commit", 5) in fake.calls or source == "ahead"
        nursery.cancel_scope.cancel()


async def test_without_a_next_header_there_is_nothing_to_check() -> None:
    chain = MadeChain(5)
    fake = FakeNode(chain)
    async with asking(fake) as node, trio.open_nursery() as nursery:
        ahead = Ahead(nursery, in_flight=2)
        checks = after(await block(node, 4))
        five = await block(node, 5)
        await checks.check_with_next(five, node, ahead)
        assert fake.count("commit") == 0
        node.saw(6)
        ahead.want(6, 6, lambda height: node)
        # The answer to what was asked ahead says that it is not there.
        await checks.check_with_next(five, node, ahead)
        assert (fake.count("commit"), node.tip) == (0, 5)
        node.saw(6)
        await checks.check_with_next(five, node, ahead)
        assert fake.count("commit") == 1
        node.saw(6)
        fake.special = lambda *_: http(b"", "503 Service Unavailable")
        with pytest.raises(Trouble):
            await checks.check_with_next(five, node, ahead)
        nursery.cancel_scope.cancel()


async def test_a_next_block_of_another_history_is_no_fork_of_ours() -> None:
    chain = MadeChain(6)
    fake = FakeNode(chain)
    async with asking(fake) as node, trio.open_nursery() as nursery:
        await node.status()
        five, checks = await block(node, 5), after(await block(node, 4))
        fake.chain = chain.copy(3, "other")
        for _ in range(3):
            fake.chain.grow()
        with pytest.raises(Mismatch) as caught:
            await checks.check_with_next(five, node, Ahead(nursery, in_flight=2))
        assert not isinstance(caught.value, BrokenLink)
        nursery.cancel_scope.cancel()


async def test_a_fork_is_another_block_at_our_height() -> None:
    chain = MadeChain(6)
    fake = FakeNode(chain)
    async with asking(fake) as node:
        checks = after(await block(node, 5))
        assert not await checks.is_forked(node)
        fake.special = lambda *_: refused("no")
        assert not await checks.is_forked(node)
        fake.special = lambda *_: None
        fake.chain = chain.copy(3, "other")
        for _ in range(3):
            fake.chain.grow()
        assert await checks.is_forked(node)


async def test_blocks_in_a_row_are_confirmed_by_the_headers_after_them() -> None:
    chain = MadeChain(9)
    fake = FakeNode(chain)
    async with asking(fake) as node:
        found = [await block(node, height) for height in range(4, 10)]
        assert after(found[0]).confirmed(found[1:]) == 4
        assert after(found[0]).confirmed([]) == 0
        assert after(found[0]).confirmed(found[1:2]) == 0
        # Not the next one.
        assert after(found[0]).confirmed(found[2:]) == 0
        # Whether the one that is contradicted is wrong, or the other one, is not known here.
        chain.results[6] = chain.results[5] | {"height": "6"}
        chain.results[6]["txs_results"] = [{"code": 7} for _ in found[2].results.txs]
        lied = await block(node, 6)
        assert after(found[0]).confirmed([found[1], lied, *found[3:]]) == 1
        nothing = Checks("made", True, inline)
        nothing.committed(FollowedTip(4, None), None)
        assert nothing.confirmed(found[1:]) == 4
