from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.one_node import asking
from trio_stream.cometbft.errors import NotJson
from trio_stream.follower.catch_up import MEMORY, Ahead
from trio_stream.follower.nodes import Node


@asynccontextmanager
async def reading_ahead(
    fake: FakeNode, *, in_flight: int = 3, memory: int = MEMORY
) -> AsyncIterator[tuple[Ahead, Node]]:
    async with asking(fake) as node, trio.open_nursery() as nursery:
        yield Ahead(nursery, in_flight=in_flight, memory=memory), node
        nursery.cancel_scope.cancel()


async def test_so_many_heights_are_asked_for_at_once() -> None:
    fake = FakeNode(MadeChain(9))
    async with reading_ahead(fake) as (ahead, node):
        ahead.want(2, 9, lambda height: node)
        await wait_all_tasks_blocked()
        assert sorted({height for _, height in fake.calls}) == [2, 3, 4]
        for height in (2, 3):
            taken = await ahead.take(height)
            assert taken is not None and taken[0] is node
            assert taken[1].followed().height == height
        ahead.want(3, 4, lambda height: node)
        await wait_all_tasks_blocked()
        assert len(fake.calls) == 6
        # It is read once.
        first, again = await ahead.take(3), await ahead.take(3)
        assert first is not None and again is not None and first[1] is again[1]
        assert await ahead.take(2) is None


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
