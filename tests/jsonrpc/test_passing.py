from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.jsonrpc.nodes import Node, passing
from trio_stream.jsonrpc import passing as under_test
from trio_stream.jsonrpc.passing import Unavailable
from trio_stream.jsonrpc.shares import STEP_BYTES, Shares


async def test_the_first_node_that_can_be_asked() -> None:
    first, second = Node(), Node(b"{}")
    async with passing(first, second) as to:
        for _ in range(3):
            assert (await to.ask("GET", "/status")).body == b'{"result":{}}'
        assert len(first.asked) == 3 and not second.asked
        assert (to.passed, to.failed, to.waiting) == (3, 0, 0)
    async with passing(None, Node(b"", 503), Node(b"{}")) as to:
        assert (await to.ask("GET", "/status")).body == b"{}"
        assert (await to.ask("GET", "/status")).status == 200


async def test_a_node_that_rests_comes_last() -> None:
    second = Node()
    async with passing(Node(b"", 429), second) as to:
        await to.ask("GET", "/status")
        await to.ask("GET", "/status")
        assert len(second.asked) == 2


async def test_no_node() -> None:
    async with passing(None, Node(None)) as to:
        with pytest.raises(Unavailable, match="a: not connected.*; b: "):
            await to.ask("GET", "/status")
        assert (to.passed, to.failed) == (0, 1)


async def test_what_is_sent_once() -> None:
    second = Node()
    async with passing(None, second) as to:
        await to.ask("POST", "", b"{}", once=True)
        assert len(second.asked) == 1
    first, second = Node(None), Node()
    async with passing(first, second) as to:
        with pytest.raises(Unavailable, match="it may have got it"):
            await to.ask("POST", "", b"{}", once=True)
        assert len(first.asked) == 1 and not second.asked
        # Anything else may be asked of another one.
        await to.ask("POST", "", b"{}")
        assert len(second.asked) == 1


async def test_so_many_wait_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "WAITING", 1)
    node = Node()
    node.go = trio.Event()
    async with passing(node) as to, trio.open_nursery() as nursery:
        nursery.start_soon(to.ask, "GET", "/status")
        await node.busy.wait()
        with pytest.raises(Unavailable, match="1 calls wait") as caught:
            await to.ask("GET", "/status")
        assert caught.value.status == 503 and to.waiting == 1
        node.go.set()


async def test_a_node_that_is_asked_too_much(autojump_clock: trio.abc.Clock) -> None:
    node = Node(b"", 429, **{"retry-after": "60"})
    async with passing(node) as to:
        with pytest.raises(Unavailable, match="status 429"):
            await to.ask("GET", "/status")
        with pytest.raises(Unavailable, match="asked too much"):
            await to.ask("GET", "/status")
        assert len(node.asked) == 1


async def test_answers_take_room_until_they_are_sent(autojump_clock: MockClock) -> None:
    size = 13 * STEP_BYTES
    node = Node(b'"' + b"x" * (size - 2) + b'"')
    async with passing(node) as to:
        to.shares = Shares(16 * STEP_BYTES)
        with to.shares.one() as share:
            reply = await to.ask("GET", "/genesis", share=share)
            assert len(reply.body) == size == to.shares.taken
            # A large one waits, and is given up; a small one is not affected.
            for once, text in ((False, "room$"), (True, r"room \(a node may have")):
                with pytest.raises(Unavailable, match=text) as caught:
                    await to.ask("POST", "", b"{}", once=once)
                assert caught.value.status == 503
            assert to.shares.taken == size and to.failed == 2
            node.body = b"{}"
            assert (await to.ask("GET", "/status")).body == b"{}"
            assert to.shares.taken == size
        node.body = b"x" * size
        assert len((await to.ask("GET", "/genesis")).body) == size
        assert to.shares.taken == 0


async def test_what_one_node_began_to_answer_takes_no_room() -> None:
    class Cut(Node):
        async def __call__(self, stream: trio.abc.Stream) -> None:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
            await stream.send_all(b"x" * 3 * STEP_BYTES)

    async with passing(Cut(), Node(b"{}")) as to:
        with to.shares.one() as share:
            assert (await to.ask("GET", "/block", share=share)).body == b"{}"
            assert to.shares.taken == 2
