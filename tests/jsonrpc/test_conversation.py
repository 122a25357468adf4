"""What a conversation does beside what the tests of the door see."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.jsonrpc.drop_in import TX, Site, index_of, payment, site
from tests.log.followed.made import event, made
from tests.websocket_peer import TEXT, frame
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.query_parser import parse
from trio_stream.jsonrpc.announced import Announced, announce
from trio_stream.jsonrpc.blocks import Dropped
from trio_stream.jsonrpc.conversation import Conversation, Patience
from trio_stream.jsonrpc.door import DropIn
from trio_stream.jsonrpc.lines import NEWEST
from trio_stream.jsonrpc.subscription import Subscription, key_of


async def test_what_came_with_the_request_is_heard(tmp_path):
    early = frame(TEXT, b'{"id":5,"method":"status"}')
    async with site(tmp_path, payment(5)) as here:
        client = await here.client(early=early)
        assert (await client.get())["id"] == 5


async def test_a_client_that_breaks_the_protocol(tmp_path):
    async with site(tmp_path, payment(5)) as here:
        client = await here.client()
        await client.raw(b"\xff\xff")
        assert await client.end() == 1002
        assert here.reasons == ["the client broke the protocol: 1002"]


async def test_a_block_that_is_dropped_in_the_middle_of_a_frame(tmp_path):
    class Dropping(DropIn):
        asked = 0

        async def block(self, height: int, queries: list[Any]) -> Any:
            self.asked += 1
            if self.asked > 2:
                return Dropped(9)
            return await super().block(height, queries)

    async with site(tmp_path, payment(5)) as here:
        here.door.__class__ = Dropping
        client = await here.client()
        await client.subscribe(TX)
        here.append(made(6, [event("big", "k=" + "v" * 2_000_000)]))
        with pytest.raises(trio.BrokenResourceError):
            while await client.get():
                pass
            raise trio.BrokenResourceError
        assert "dropped the block of half" in here.reasons[0]


async def test_a_subscription_that_comes_while_its_block_is_made(tmp_path):
    class Slow(DropIn):
        async def block(self, height: int, queries: list[Any]) -> Any:
            found = await super().block(height, queries)
            if not late:
                late.append(True)
                query = parse(TX)
                [conversation] = self._clients
                conversation.subscriptions.add(
                    key_of(TX, query, NEWEST),
                    Subscription(2, TX, query, height=6, line=NEWEST),
                )
            return found

    late: list[bool] = []
    async with site(tmp_path, payment(5)) as here:
        here.door.__class__ = Slow
        client = await here.client()
        await client.subscribe("transfer.recipient='a'")
        here.append(payment(6, "a"))
        assert [each["id"] for each in await client.got(2)] == [1, 2]


async def test_a_subscription_is_answered_before_it_gets_frames(tmp_path):
    other = "transfer.recipient='a'"

    class Slow(DropIn):
        async def block(self, height: int, queries: list[Any]) -> Any:
            if not late:
                late.append(True)
                await client.call("subscribe", {"query": other, "after": 5}, id=2)
                await trio.testing.wait_all_tasks_blocked()
            return await super().block(height, [*queries, parse(other)])

    late: list[bool] = []
    async with site(tmp_path, payment(5), payment(6, "a")) as here:
        here.door.__class__ = Slow
        client = await here.client()
        await client.subscribe(TX, after=5)
        got = await client.got(3)
        assert got[0] == {"jsonrpc": "2.0", "id": 2, "result": {}}
        assert [each["id"] for each in got[1:]] == [1, 2]


@contextmanager
def conversing(
    here: Site, patience: Patience
) -> Iterator[tuple[Conversation, socket.socket]]:
    """A conversation on a real socket, whose buffers are small."""
    ours, peer = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    twin = trio.socket.from_stdlib_socket(ours.dup())
    with peer, ours, twin:
        yield Conversation(
            here.door,
            # Twice the same descriptor, as in the server: Trio hides its own.
            trio.SocketStream(twin),
            ours,
            early=b"",
            may_post=True,
            patience=patience,
        ), peer


async def test_a_broken_connection(tmp_path):
    async with site(tmp_path, payment(5)) as here:
        with conversing(here, Patience()) as (conversation, peer):
            peer.close()
            await conversation.run()
        assert (conversation.reason or "").startswith(("closed without", "broken"))


async def test_last_words_on_a_socket(tmp_path):
    async with site(tmp_path, payment(5)) as here:
        with conversing(here, Patience()) as (conversation, peer):
            for _ in range(2):
                conversation.withdraw()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.run)
                assert (
                    await trio.to_thread.run_sync(peer.recv, 10) == b"\x88\x02\x03\xf0"
                )
                peer.close()
        assert conversation.reason == "its token was withdrawn"


async def test_blocks_are_given_in_place(tmp_path):
    blocks = payment(6, *["a" * 200] * 20), payment(7), payment(8, "b")
    async with site(tmp_path, payment(5)) as here:
        with conversing(here, Patience()) as (conversation, peer):
            subscription = subscribed(conversation, "transfer.recipient EXISTS")
            first, second, third = (announced(each, subscription) for each in blocks)
            whole = conversation.subscriptions.whole(first)
            assert whole is not None
            # It has not begun.
            assert not conversation.offer(first)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.run)
                await trio.testing.wait_all_tasks_blocked()
                # The socket takes less than that.
                assert not conversation.offer(first)
                here.log.append(blocks[0])
                here.door.height = 6
                conversation.wake()
                assert not conversation.offer(second)
                got = b""
                while len(got) < len(whole.data):
                    got += await trio.to_thread.run_sync(peer.recv, 65536)
                assert got == whole.data
                await trio.testing.wait_all_tasks_blocked()
                assert subscription.height == 7
                assert conversation.offer(second) and subscription.height == 8
                assert conversation.offer(third) and subscription.height == 9
                assert b'"height":"8"' in peer.recv(65536)
                nursery.cancel_scope.cancel()
            assert not conversation.offer(third)


async def test_what_was_not_asked_is_not_offered(tmp_path):
    async with site(tmp_path, payment(5)) as here:
        with conversing(here, Patience()) as (conversation, _):
            found = announced(payment(6, "a"), subscribed(conversation, TX))
            subscribed(conversation, "transfer.recipient='a'")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.run)
                await trio.testing.wait_all_tasks_blocked()
                assert not conversation.offer(found)
                nursery.cancel_scope.cancel()


async def test_a_broken_socket_is_not_offered_anything(tmp_path):
    async with site(tmp_path, payment(5)) as here:
        with conversing(here, Patience()) as (conversation, peer):
            subscription = subscribed(conversation, TX)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.run)
                await trio.testing.wait_all_tasks_blocked()
                peer.close()
                assert not conversation.offer(announced(payment(6, "a"), subscription))
            assert subscription.height == 6 and conversation.reason


def subscribed(conversation: Conversation, text: str) -> Subscription:
    query = parse(text)
    subscription = Subscription(1, text, query, height=6, line=NEWEST)
    conversation.subscriptions.add(key_of(text, query, NEWEST), subscription)
    return subscription


def announced(block: FollowedBlock, subscription: Subscription) -> Announced:
    queries = [subscription.query]
    return announce(block, queries, NEWEST, index_of(queries))
