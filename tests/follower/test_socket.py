from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.one_node import asking
from tests.follower.wires import http, scripted
from trio_stream.follower.socket import Socket
from trio_stream.follower.troubles import NoAnswer

LIMIT = 2**20


async def health(socket: Socket) -> bytes:
    await socket.call(7, "health")
    return await socket.message()


async def test_a_call_and_its_answer() -> None:
    async with asking(FakeNode(MadeChain(2))) as node:
        assert b'"id": 7' in await node.on_websocket(health, LIMIT)


async def test_what_the_caller_raises_comes_out_bare() -> None:
    async def talk(socket: Socket) -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("ours")

    async with asking(FakeNode(MadeChain(2))) as node:
        with pytest.raises(KeyError, match="ours"):
            await node.on_websocket(talk, LIMIT)


@pytest.mark.parametrize(
    "answer",
    [
        http(b"no", "404 Not Found"),
        b"no http\r\n\r\n",
        None,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
    ],
)
async def test_what_is_no_websocket(
    answer: bytes | None, autojump_clock: MockClock
) -> None:
    async with asking(scripted(answer)) as node:
        with pytest.raises(NoAnswer, match="no WebSocket"):
            await node.on_websocket(health, LIMIT)


async def test_a_websocket_that_closes_or_breaks(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(2))

    async def hangs_up(socket: Socket) -> None:
        await fake.hang_up()
        with pytest.raises(NoAnswer, match="closed"):
            await socket.message()
        with pytest.raises(NoAnswer, match="closed"):
            await socket.call(1, "health")

    async def garbage(socket: Socket) -> None:
        await fake.hang_up(b"\xff\xff\xff\xff")
        await socket.message()

    async with asking(fake) as node:
        await node.on_websocket(hangs_up, LIMIT)
        with pytest.raises(NoAnswer):
            await node.on_websocket(garbage, LIMIT)


async def test_a_peer_that_takes_nothing(autojump_clock: MockClock) -> None:
    class Stuck:
        async def send_message(self, message: str) -> None:
            await trio.sleep_forever()

    socket = Socket(Stuck(), 10)  # type: ignore[arg-type]  # all that a call uses
    start = trio.current_time()
    with pytest.raises(NoAnswer, match="takes nothing"):
        await socket.call(1, "health")
    assert trio.current_time() - start == 10
