"""The whole follower, from a node's RPC to a client, in this process."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.follow_daemon import (
    ends,
    following,
    get,
    messages,
    reaches,
    serving,
    settings,
    status,
    until,
)
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.test_daemon import DEADLINE, host_and_port
from tests.websocket_peer import CLOSE, Peer, request
from trio_stream import daemon
from trio_stream.config import FollowConfig
from trio_stream.follower.troubles import Forked, Unobtainable, WrongChain
from trio_stream.log.errors import LogInUse, LogReplaced
from trio_stream.node import Addresses

STREAMS = "/api/v1/streams/"


async def subscribed(addresses: Addresses, target: str) -> Peer:
    peer = await Peer.connect(host_and_port(addresses.stream)[1])
    await peer.send(request(target=STREAMS + target))
    assert b" 101 " in await peer.read_head()
    return peer


async def taken(peer: Peer, count: int) -> list[dict[str, Any]]:
    return [json.loads(text) for text in await peer.texts(count)]


@asynccontextmanager
async def ending(
    config: FollowConfig, error: type[Exception]
) -> AsyncIterator[Addresses]:
    """The follower, which ends with that error after the block."""
    ended = False
    with trio.fail_after(DEADLINE):
        try:
            async with trio.open_nursery() as nursery:
                addresses: Addresses = await nursery.start(
                    partial(daemon.follow, config)
                )
                yield addresses
        except* error:
            ended = True
    assert ended


async def test_blocks_of_a_node_reach_all_doors(tmp_path: Path) -> None:
    chain = MadeChain(5)
    async with serving(FakeNode(chain)) as urls:
        async with following(settings(tmp_path, *urls)) as addresses:
            blocks = await messages(addresses, "stream=blocks&detail=position", 5)
            assert [each["height"] for each in blocks] == [1, 2, 3, 4, 5]
            assert [each["transactions"] for each in blocks] == [1, 2, 0, 1, 2]
            peer = await subscribed(addresses, "transactions?after=earliest")
            chain.grow()
            chain.grow()
            places = [(each["height"], each["index"]) for each in await taken(peer, 7)]
            assert places == [(1, 0), (2, 0), (2, 1), (4, 0), (5, 0), (5, 1), (7, 0)]
            peer.reset()


async def test_what_was_stored_is_there_after_a_start_without_any_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits for a node, says so, and serves what it has meanwhile."""
    chain = MadeChain(5)
    async with serving(FakeNode(chain)) as urls:
        async with following(settings(tmp_path, *urls)) as addresses:
            await reaches(addresses, 5)
    async with following(settings(tmp_path, "http://127.0.0.1:9")) as addresses:
        assert len(await messages(addresses, "stream=blocks", 5)) == 5

        async def said() -> bool:
            await trio.lowlevel.checkpoint()
            return "no node answers; asking again" in caplog.text

        await until(said)


async def test_subscribers_get_everything_and_a_close_at_the_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(FakeNode(MadeChain(5))) as urls:
        with trio.fail_after(DEADLINE):
            async with trio.open_nursery() as nursery:
                run = partial(daemon.follow, settings(tmp_path, *urls))
                addresses: Addresses = await nursery.start(run)
                await reaches(addresses, 5)
                peer = await subscribed(addresses, "blocks?after=earliest")
                signal.raise_signal(signal.SIGTERM)
                heights = [each["height"] for each in await taken(peer, 5)]
                assert heights == [1, 2, 3, 4, 5]
                opcode, reason = await peer.next()
                assert opcode == CLOSE
                assert "1001" in str(reason) or "GOING_AWAY" in str(reason)
                peer.reset()
    assert "height 5 is committed" in caplog.text
    assert caplog.messages[-1] == "stopped"


async def test_it_goes_on_where_it_was_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    chain = MadeChain(4)
    async with serving(FakeNode(chain)) as urls:
        async with following(settings(tmp_path, *urls, from_=2)) as addresses:
            await reaches(addresses, 4)
        assert "a new log in" in caplog.text
        chain.grow()
        async with following(settings(tmp_path, *urls, from_=3)) as addresses:
            await reaches(addresses, 5)
            heights = [
                each["height"] for each in await messages(addresses, "stream=blocks", 4)
            ]
            assert heights == [2, 3, 4, 5]
    assert "going on with 'made' after block 4; its log begins at block 2" in (
        caplog.text
    )
    (warning,) = [each for each in caplog.messages if "from = 3" in each]
    assert "is ignored: this one begins at block 2" in warning


async def test_a_node_of_another_chain_ends_it(tmp_path: Path) -> None:
    async with serving(
        FakeNode(MadeChain(3)), FakeNode(MadeChain(3, chain_id="other"))
    ) as (url, other):
        async with following(settings(tmp_path, url)) as addresses:
            await reaches(addresses, 3)
        error = await ends(settings(tmp_path, other))
    assert isinstance(error, WrongChain)
    assert "of the chain 'made', and no node is (give the address" in str(error)


async def test_another_history_ends_it(tmp_path: Path) -> None:
    chain = MadeChain(5)
    other = chain.copy(3, "other")
    for _ in range(4):
        other.grow()
    async with serving(FakeNode(chain), FakeNode(other)) as (url, url_of_other):
        async with following(settings(tmp_path, url)) as addresses:
            await reaches(addresses, 5)
        error = await ends(settings(tmp_path, url_of_other))
    assert isinstance(error, Forked)
    assert "follow the new history in a new home" in str(error)


async def test_a_chain_that_is_rolled_back_while_it_runs_ends_it(
    tmp_path: Path,
) -> None:
    node = FakeNode(MadeChain(5))
    async with serving(node) as urls:
        config = settings(tmp_path, *urls)
        async with ending(config, Forked) as addresses:
            await reaches(addresses, 5)
            other = node.chain.copy(3, "other")
            for _ in range(4):
                other.grow()
            node.chain = other


async def test_blocks_that_no_node_has_end_it_or_are_a_gap(tmp_path: Path) -> None:
    node = FakeNode(MadeChain(6))
    node.lowest = 4
    async with serving(node) as urls:
        error = await ends(settings(tmp_path, *urls, from_=2))
        assert isinstance(error, Unobtainable)
        assert "a later start, or --allow-gaps" in str(error)
        config = settings(tmp_path, *urls, from_=2, allow_gaps=True)
        async with following(config) as addresses:
            gap, *blocks = await messages(addresses, "stream=blocks", 4)
            assert (gap["gap"]["first"], gap["gap"]["last"]) == (2, 3)
            assert gap["gap"]["reason"] == "pruned"
            assert [each["height"] for each in blocks] == [4, 5, 6]
            assert (await status(addresses))["missing_blocks"] == 2


async def test_a_home_serves_one_follower(tmp_path: Path) -> None:
    async with serving(FakeNode(MadeChain(1))) as urls:
        async with following(settings(tmp_path, *urls)):
            assert isinstance(await ends(settings(tmp_path, *urls)), LogInUse)


async def test_what_is_wrong_with_the_log_ends_it(tmp_path: Path) -> None:
    chain = MadeChain(2)
    async with serving(FakeNode(chain)) as urls:
        config = settings(tmp_path, *urls)
        async with ending(config, LogReplaced) as addresses:
            await reaches(addresses, 2)
            (config.home / "log.db").rename(tmp_path / "elsewhere.db")
            chain.grow()


async def test_an_index_says_what_this_server_is(tmp_path: Path) -> None:
    async with serving(FakeNode(MadeChain(1))) as urls:
        async with following(settings(tmp_path, *urls)) as addresses:
            await reaches(addresses, 1)
            document = (await get(addresses, "/"))["api"]["v1"]
            assert document["kind"] == "follower"
            assert document["streams"] == addresses.stream
