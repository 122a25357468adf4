from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.cometbft.recordings import answer
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode, refused
from tests.follower.one_node import asking
from tests.follower.wires import http, scripted
from trio_stream.cometbft.errors import (
    BatchTooLong,
    HeightInFuture,
    NotJson,
    Pruned,
    ResultsNotThere,
    TooLarge,
    UnknownMethod,
)
from trio_stream.cometbft.events import Spelling
from trio_stream.follower.answers import NotBatch
from trio_stream.follower.exchange import Patience
from trio_stream.follower.socket import Socket
from trio_stream.follower.statistics import NodeState
from trio_stream.follower.troubles import NoAnswer, Overworked


async def test_a_block_comes_with_its_results_in_one_request() -> None:
    chain = MadeChain(5)
    fake = FakeNode(chain)
    async with asking(fake) as node:
        assert node.name == "n"
        bodies = await node.bodies(4)
        assert bodies.size == len(bodies.batch or b"") > 100
        followed = (await node.read(bodies))[0].followed()
        assert followed.raw_block == chain.blocks[4]
        assert followed.raw_results == chain.results[4]
        assert fake.calls == [("block_results", 4), ("block", 4)]
        assert node.tip == 4


async def test_what_a_node_says_of_itself_is_kept() -> None:
    fake = FakeNode(MadeChain(5))
    fake.lowest = 3
    async with asking(fake) as node:
        await node.status()
        assert (node.chain_id, node.tip, node.lowest) == ("made", 5, 3)
        fake.tip, fake.lowest = 4, 2
        with pytest.raises(HeightInFuture):
            (await node.pair(5)).followed()
        assert node.tip == 4
        with pytest.raises(Pruned):
            (await node.pair(1)).followed()
        assert node.lowest == 2
        fake.executing = {4}
        with pytest.raises(ResultsNotThere):
            (await node.pair(4)).followed()
        assert (await node.commit(4)).header.height == 4


async def test_a_lagging_machine_for_one_of_two_is_only_late() -> None:
    fake = FakeNode(MadeChain(5))
    text = "height 5 must be less than or equal to the current blockchain height 4"
    fake.special = lambda method, height: (
        refused(text) if method == "block_results" else {"result": {"block": None}}
    )
    async with asking(fake) as node:
        with pytest.raises(HeightInFuture):
            (await node.pair(5)).followed()


@pytest.mark.parametrize(
    "said",
    [
        b'{"id":1,"result":{}}',
        b'{"error":{"code":-32600,"data":"batch request exceeds maximum (1)"}}',
        b'{"error":{"code":-32601,"data":""}}',
    ],
)
async def test_batches_are_given_up_where_they_are_not_taken(said: bytes) -> None:
    chain = MadeChain(5)
    fake = FakeNode(chain)
    refusing = True

    async def serve(stream: trio.abc.Stream) -> None:
        if refusing:
            await scripted(http(said))(stream)
        else:
            await fake(stream)

    async with asking(serve) as node:
        old = await node.bodies(4)
        refusing = fake.takes_batches = False
        (pair,) = await node.read(await node.bodies(4))
        assert pair.followed().height == 4
        # What was asked for ahead is not asked for again each time.
        with pytest.raises((NotBatch, BatchTooLong, UnknownMethod)):
            await node.read(old)


@pytest.mark.parametrize(("most", "together"), [(10, 5), (4, 2), (2, 1), (1, 0)])
async def test_some_heights_are_asked_for_at_once_as_far_as_the_node_allows(
    most: int, together: int
) -> None:
    fake = FakeNode(MadeChain(9))
    fake.most_calls = most
    async with asking(fake) as node:
        pairs = await node.read(await node.bodies(3, count=node.together))
        heights = [each.followed().height for each in pairs]
        assert heights == ([3, 4, 5, 6, 7] if most == 10 else [3])
        assert node.together == together
        fake.calls.clear()
        count = max(1, node.together)
        pairs = await node.read(await node.bodies(4, count=count))
        assert [each.followed().height for each in pairs] == list(range(4, 4 + count))
        assert len(fake.calls) == 2 * count


async def test_an_operator_says_how_attributes_are_spelled() -> None:
    async with asking(FakeNode(MadeChain(5)), spelling=Spelling.PLAIN) as node:
        assert (await node.pair(5)).followed().results.spelling is Spelling.PLAIN


async def test_overwork_and_pages_slow_it_down() -> None:
    busy = http(b"<html>", "429 Too Many Requests", "Retry-After: 9")
    async with asking(scripted(busy)) as node:
        with pytest.raises(Overworked):
            await node.bodies(1)
        assert 8 < node.pace.resting <= 9
    async with asking(scripted(http(b"<html>hi"))) as node:
        bodies = await node.bodies(1)
        assert node.pace.resting
        with pytest.raises(NotJson):
            await node.read(bodies)
    async with asking(scripted(http(b"x" * 100))) as node:
        with pytest.raises(TooLarge):
            await node.bodies(1, limit=99)
        assert not node.pace.resting


async def test_a_status_has_a_deadline(autojump_clock: MockClock) -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with asking(silent) as node:
        with pytest.raises(NoAnswer, match="no status within"):
            await node.status()


async def test_results_over_the_websocket(autojump_clock: MockClock) -> None:
    chain = MadeChain(5)
    fake = FakeNode(chain)
    fake.executes_for = 100
    async with asking(fake) as node:
        assert (await node.large_pair(5)).followed().raw_results == chain.results[5]
        # Or the node would have closed it.
        assert "health" in fake.over_websocket


async def test_the_websocket_has_a_deadline(autojump_clock: MockClock) -> None:
    fake = FakeNode(MadeChain(5))
    fake.executes_for = 100
    async with asking(fake, patience=Patience(whole=20)) as node:
        with pytest.raises(NoAnswer, match="on the WebSocket within 20 s"):
            await node.over_websocket("block_results", 5)


async def test_no_json_on_the_websocket() -> None:
    async def talk(socket: Socket) -> bytes:
        return await socket.message()

    fake = FakeNode(MadeChain(5))
    fake.greeting = b"hello"
    async with asking(fake) as node:
        assert await node.on_websocket(talk, 2**20) == b"hello"
        with pytest.raises(NotJson):
            await node.over_websocket("block_results", 5)


async def test_releases_of_old() -> None:
    name = "tendermint-0.32.14"

    def special(method: str, height: int) -> dict[str, object]:
        return {"result": answer(name, f"{method}?height={height}")}

    fake = FakeNode(MadeChain(6))
    fake.special = special
    async with asking(fake) as node:
        assert (await node.pair(6)).followed().height == 6


@pytest.mark.parametrize("batches", [True, False])
async def test_results_are_missing_if_the_same_machine_has_the_next_block(
    batches: bool,
) -> None:
    fake = FakeNode(MadeChain(6))
    async with asking(fake) as node:
        fake.takes_batches = batches
        await node.pair(5)
        assert not await node.lacks_results(5)
        fake.executing = {5}
        assert await node.lacks_results(5)
        fake.tip = 5
        assert not await node.lacks_results(5)


async def test_its_statistics_say_how_it_stands_with_it() -> None:
    fake = FakeNode(MadeChain(5))
    async with asking(fake) as node:
        assert node.statistics().state is NodeState.UNKNOWN
        await node.status()
        found = node.statistics()
        assert (found.name, found.state) == ("n", NodeState.ANSWERING)
        assert (found.chain_id, found.tip, found.answers) == ("made", 5, 1)
        assert node.statistics(is_asked=False).state is NodeState.EXCLUDED
    async with asking(scripted(http(b"<html>hi"))) as node:
        await node.bodies(1)
        assert node.statistics().troubles == {"NotJson": 1}
        assert node.statistics().trouble == "NotJson: the answer is no JSON"
    async with asking(scripted(http(b"x", "503 Service Unavailable"))) as node:
        with pytest.raises(Overworked):
            await node.bodies(1)
        found = node.statistics()
        assert found.state is NodeState.TROUBLED
        assert found.troubles == {"Overworked": 1}
        assert found.resting > 0
