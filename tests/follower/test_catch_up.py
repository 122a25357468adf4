from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.following import following, once_all_wait
from tests.follower.memory import MemoryLog
from tests.follower.one_node import asking
from tests.follower.wires import http
from trio_stream.cometbft.errors import NotJson
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip
from trio_stream.follower.catch_up import MEMORY, STORE, Ahead
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings


@asynccontextmanager
async def reading_ahead(
    fake: FakeNode, *, in_flight: int = 3, memory: int = MEMORY
) -> AsyncIterator[tuple[Ahead, Node]]:
    async with asking(fake) as node, trio.open_nursery() as nursery:
        yield Ahead(nursery, in_flight=in_flight, memory=memory), node
        nursery.cancel_scope.cancel()


async def test_so_many_requests_are_made_at_once(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(30))
    fake.takes = 1.0
    async with reading_ahead(fake) as (ahead, node):
        ahead.want(2, 29, lambda height: node)
        await wait_all_tasks_blocked()
        assert fake.busy == 3
        for height in (2, 3):
            taken = await ahead.take(height)
            assert taken is not None and taken[0] is node
            assert taken[1].followed().height == height
        ahead.want(3, 29, lambda height: node)
        # It is read once.
        first, again = await ahead.take(3), await ahead.take(3)
        assert first is not None and again is not None and first[1] is again[1]
        assert await ahead.take(2) is None
        assert fake.most_busy == 3
        # There is room for so many answers, and then for no more.
        await trio.sleep(60)
        asked = [height for name, height in fake.calls if name == "block"]
        assert sorted(set(asked)) == sorted(asked) == list(range(2, 2 + len(asked)))
        assert 3 * (1 + STORE) <= len(asked) < 28


async def test_small_blocks_are_asked_for_some_at_a_time(
    autojump_clock: MockClock,
) -> None:
    fake = FakeNode(MadeChain(90))
    fake.takes = 1.0
    async with reading_ahead(fake) as (ahead, node):
        await node.status()
        ahead.want(1, 90, lambda height: node)
        height = 1
        while height <= 90:
            some = await ahead.take_some(height)
            heights = [each.followed().height for each in some]
            assert heights == list(range(height, height + len(some)))
            # The last one waits for the header after it.
            height += max(1, len(some) - 1)
            ahead.want(height, 90, lambda height: node)
        assert fake.count("block") == 90
        # Three for the first, one after the other, and five heights a second for each request.
        assert trio.current_time() < 15


async def test_one_that_spoils_the_others_is_told_at_its_turn(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(40)
    chain.results[20] = {"height": "20", "txs_results": "none"}
    fake = FakeNode(chain)
    async with reading_ahead(fake) as (ahead, node):
        await node.status()
        lost = []
        for height in range(1, 41):
            ahead.want(height, 40, lambda height: node)
            if await ahead.take(height) is None:
                lost.append(height)
        # What came with it is not there either.
        assert 20 in lost and 1 < len(lost) <= 5


async def test_a_stride_is_bounded(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(40))
    async with reading_ahead(fake) as (ahead, node):
        ahead.want(1, 40, lambda height: node)
        await trio.sleep(1)
        assert len(await ahead.take_some(1)) == 9
        ahead.forget()
        assert await ahead.take_some(1) == []


async def test_what_is_dropped_is_not_waited_for(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(9))
    fake.takes = 1e6
    async with reading_ahead(fake) as (ahead, node):
        ahead.want(2, 9, lambda height: node)
        await wait_all_tasks_blocked()

        async def forget() -> None:
            await wait_all_tasks_blocked()
            ahead.forget()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(forget)
            assert await ahead.take(2) is None
        assert trio.current_time() < 1e6


async def test_what_is_too_large_for_its_share_waits_for_its_turn() -> None:
    async with reading_ahead(FakeNode(MadeChain(9)), memory=300) as (ahead, node):
        ahead.want(2, 9, lambda height: node)
        assert await ahead.take(2) is None


async def test_nobody_may_have_it() -> None:
    async with reading_ahead(FakeNode(MadeChain(9))) as (ahead, _):
        ahead.want(2, 9, lambda height: None)
        assert await ahead.take(2) is None


async def test_what_cannot_be_read_is_told_at_its_turn() -> None:
    fake = FakeNode(MadeChain(9))
    fake.special = lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    async with reading_ahead(fake) as (ahead, node):
        ahead.want(2, 2, lambda height: node)
        with pytest.raises(NotJson):
            await ahead.take(2)


class Overworked(FakeNode):
    """It takes short batches only, and has too much to do once it refused longer ones."""

    refuses = 0

    def answered(self, asked: Any) -> bytes:
        if isinstance(asked, dict):
            return super().answered(asked)
        if len(asked) > self.most_calls:
            self.refuses = 3
        elif self.refuses:
            self.refuses -= 1
            return http(b"", "503 Service Unavailable")
        return super().answered(asked)


async def test_a_node_that_takes_short_batches_may_be_overworked_too(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(60)
    node = Overworked(chain)
    node.most_calls = 4
    async with following(node) as followed:
        await followed.reaches(60)
    assert followed.log.heights == list(range(1, 61))
    assert not node.refuses


async def test_while_blocks_are_stored_the_node_is_asked_for_what_comes_next(
    autojump_clock: MockClock,
) -> None:
    node = FakeNode(MadeChain(90))
    strides = list[tuple[int, int]]()

    class Watching(MemoryLog):
        def append(self, *blocks: FollowedBlock) -> FollowedTip:
            tip = super().append(*blocks)
            asked = {height for method, height in node.calls if method == "block"}
            ahead = len([height for height in asked if height > tip.height])
            if len(blocks) > 10:
                strides.append((90 - tip.height, ahead))
            return tip

    fast = NodeSettings(rate=1e6)
    async with following(
        node, log=Watching(), node=fast, run_sync=once_all_wait
    ) as followed:
        await followed.reaches(90)
    # There is room for so many answers; what is being stored takes none of it.
    room = FollowSettings().in_flight * (1 + STORE)
    assert strides
    assert all(ahead >= min(room, left) for left, ahead in strides)
