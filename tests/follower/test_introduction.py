from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode, refused
from tests.follower.following import inline
from tests.follower.memory import MemoryLog
from tests.follower.one_node import asking
from tests.follower.wires import http
from trio_stream.cometbft.followed import FollowedChain
from trio_stream.follower.introduction import (
    FollowSettings,
    introduce,
    starting_height,
)
from trio_stream.follower.nodes import Node
from trio_stream.follower.troubles import Forked, WrongChain


def fakes(*chains: MadeChain) -> list[FakeNode]:
    return [FakeNode(chain) for chain in chains]


async def stored(node: Node, *heights: int) -> MemoryLog:
    log = MemoryLog()
    log.begin(FollowedChain("made", heights[0]))
    for height in heights:
        log.append((await node.pair(height)).followed())
    return log


async def test_where_a_new_log_begins() -> None:
    one, two = fakes(MadeChain(9), MadeChain(7))
    one.lowest, two.lowest = 4, 3
    async with asking(one) as first, asking(two) as second:
        log = MemoryLog()
        await introduce([first, second], log, FollowSettings(), inline)
        assert log.chain() == FollowedChain("made", 9)
        nodes = [first, second]
        assert starting_height(nodes, "earliest") == 3
        assert starting_height(nodes, "tip") == 9
        assert starting_height(nodes, 5) == 5
        # An old release does not say, and a node that has synced nothing has no tip.
        first.lowest, first.tip = None, 0
        assert starting_height([first], "earliest") == 1
        assert starting_height([first], "tip") == 1


async def test_a_beginning_that_does_not_exist_yet_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    (fake,) = fakes(MadeChain(9))
    async with asking(fake) as node:
        for start, warned in ((9, False), (10, True)):
            caplog.clear()
            await introduce([node], MemoryLog(), FollowSettings(start=start), inline)
            begins = f"the chain is 'made'; the log begins at block {start}"
            assert begins in caplog.text
            assert ("does not exist yet, the newest is 9" in caplog.text) is warned


async def test_it_waits_for_an_answer(autojump_clock: MockClock) -> None:
    (fake,) = fakes(MadeChain(3))
    answers = [http(b"", "502 Bad Gateway")] * 3
    fake.special = lambda *_: answers.pop() if answers else None
    async with asking(fake) as node:
        await introduce([node], MemoryLog(), FollowSettings(), inline)
        assert not answers


async def test_nodes_of_another_chain_or_history_are_left() -> None:
    chain = MadeChain(6)
    forked = chain.copy(3, "other")
    for _ in range(3):
        forked.grow()
    same, other, fork = fakes(chain, MadeChain(9, chain_id="other"), forked)
    async with asking(same) as a, asking(other) as b, asking(fork) as c:
        log = await stored(a, 4, 5)
        nodes = [a, b, c]
        await introduce(nodes, log, FollowSettings(), inline)
        assert nodes == [a]
        with pytest.raises(WrongChain):
            await introduce([b], log, FollowSettings(), inline)
        with pytest.raises(Forked, match="fork at block 5"):
            await introduce([c], log, FollowSettings(), inline)
        with pytest.raises(WrongChain, match="different chains: made, other"):
            await introduce([a, b], MemoryLog(), FollowSettings(), inline)


async def test_a_node_that_cannot_say_is_kept() -> None:
    same, behind, pruned = fakes(MadeChain(6), MadeChain(6), MadeChain(6))
    behind.tip = 4
    pruned.special = lambda method, _: (
        refused("height 5 is not available, lowest height is 6")
        if method == "commit"
        else None
    )
    async with asking(same) as a, asking(behind) as b, asking(pruned) as c:
        log = await stored(a, 5)
        nodes = [b, c]
        await introduce(nodes, log, FollowSettings(), inline)
        assert nodes == [b, c]
        empty = MemoryLog()
        empty.begin(FollowedChain("made", 5))
        await introduce(nodes, empty, FollowSettings(), inline)
