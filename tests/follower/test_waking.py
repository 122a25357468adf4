from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

from tests.cometbft.recordings import SDK, recording
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.one_node import asking
from trio_stream.cometbft.errors import CometError
from trio_stream.follower import waking
from trio_stream.follower.waking import NO_ROOM_PAUSE, SMALL, announced_height, listen


async def woken(fake: FakeNode, seconds: float) -> list[int]:
    heights: list[int] = []
    async with asking(fake) as node:
        with trio.move_on_after(seconds):
            await listen(node, heights.append)
    return heights


async def test_each_header_wakes(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(3))
    heights: list[int] = []
    async with asking(fake) as node, trio.open_nursery() as nursery:
        nursery.start_soon(listen, node, heights.append)
        for _ in range(3):
            await trio.sleep(100)
            fake.chain.grow()
            await fake.announce()
        await trio.sleep(1)
        assert heights == [4, 5, 6]
        # The connection ends, and there is another one.
        await fake.hang_up()
        await trio.sleep(5)
        await fake.announce()
        await trio.sleep(1)
        assert heights == [4, 5, 6, 6]
        nursery.cancel_scope.cancel()


async def test_a_large_message_wakes_too(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(3))
    woken = trio.Event()
    heights: list[int] = []

    def heard(height: int) -> None:
        heights.append(height)
        woken.set()

    async with asking(fake) as node, trio.open_nursery() as nursery:
        nursery.start_soon(listen, node, heard)
        await trio.sleep(1)
        fake.chain.grow()
        await fake.announce(result_begin_block="x" * SMALL)
        await woken.wait()
        assert heights == [4]
        nursery.cancel_scope.cancel()


async def test_a_message_beyond_the_limit_wakes_nobody_and_ends_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "MESSAGE_LIMIT", 4096)
    fake = FakeNode(MadeChain(3))
    heights: list[int] = []
    async with asking(fake) as node, trio.open_nursery() as nursery:
        nursery.start_soon(listen, node, heights.append)
        await trio.sleep(1)
        fake.chain.grow()
        await fake.announce(result_begin_block="x" * 4096)
        await trio.sleep(100)
        assert not heights
        # Answers may be larger, and there is another connection by now.
        assert len(await node.over_websocket("block", 4)) < 4096
        await fake.announce()
        await trio.sleep(1)
        assert heights == [4]
        nursery.cancel_scope.cancel()


async def test_a_silent_node_is_left(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(3))
    fake.executes_for = 1e9
    assert await woken(fake, 100) == []
    assert fake.over_websocket.count("subscribe") >= 2


async def test_no_room_and_no_websocket_are_tried_again(
    autojump_clock: MockClock,
) -> None:
    fake = FakeNode(MadeChain(3))
    fake.room = False
    await woken(fake, NO_ROOM_PAUSE * 2.5)
    assert fake.over_websocket.count("subscribe") == 3
    fake = FakeNode(MadeChain(3))
    fake.has_websocket = False
    assert await woken(fake, 1000) == []


def test_what_is_no_header_is_named() -> None:
    values: list[object] = [
        {"header": {"height": "0"}},
        {"header": {}},
        {},
        {"header": 5},
    ]
    for value in values:
        result = {"query": "", "data": {"type": "", "value": value}}
        with pytest.raises(CometError):
            announced_height(json.dumps({"result": result}).encode())
    assert announced_height(b'{"result":{}}') is None


def test_recorded_headers_wake() -> None:
    for name in SDK:
        frame = recording(name)["frames"]["ws_NewBlockHeader"]
        header = json.loads(frame)["result"]["data"]["value"]["header"]
        assert announced_height(frame.encode()) == int(header["height"])
