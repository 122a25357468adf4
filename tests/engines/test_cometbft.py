"""What a real engine's RPC says is read, true, and announced and searched as the engine does.

The application is the engine's own key-value store: no daemon is here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from scripts import child
from scripts.engines import home, process
from scripts.engines.build import Release
from scripts.engines.home import ValidatorHome
from scripts.engines.process import RunningEngine
from tests.engines.site import PATIENCE
from trio_stream.cometbft import integrity
from trio_stream.cometbft.blocks import Block, read_block, read_commit, read_status
from trio_stream.cometbft.events import Spelling
from trio_stream.cometbft.frames import Announcement, announcements, frame
from trio_stream.cometbft.queries import Generation, OneEvent
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.results import BlockResults, read_results

pytestmark = pytest.mark.engine

BATCHES = [[b"a=1"], [b"b=2", b"cc=3", b"name=satoshi"], [b"k=5atom", b"o=oo"]]

QUERIES = [
    "tm.event='Tx'",
    "tm.event='NewBlock'",
    "tm.event='NewBlockHeader'",
    "tm.event = 'Tx' AND app.creator = 'Cosmoshi Netowoko'",
    "app.key='name'",
    "app.key CONTAINS 'o'",
    "tm.event='Tx' AND app.creator='Cosmoshi Netowoko' AND app.key='1'",
    "tm.event='Tx' AND app EXISTS",
    "tm.event='Tx' AND ap EXISTS",
    "app.key EXISTS AND tx.height > 0",
    "tx.height >= 1 AND tx.height <= 999999",
    "app.other EXISTS",
    "tm.event='Vote' AND app.key='name'",
]
NEWER = [
    "tm.event='NewBlockEvents'",
    "tm.event='Tx' AND app.key > 2",
    "app.key = 5",
    "app = ''",
    "app.key >= 3.0 AND app.key < 5.5",
]
"""Up to 0.37 a value that is no number ends the delivery to all subscribers."""


Frame = dict[str, Any]

TRIES = 10
"""How often an engine may give up a subscription."""


def generation_of(engine: Release) -> Generation:
    line = tuple(map(int, engine.name.partition("-")[2].split(".")[:2]))
    return Generation.FROM_0_38 if line >= (0, 38) else Generation.UP_TO_0_37


@asynccontextmanager
async def key_value_store(
    engine: Release, folder: Path
) -> AsyncIterator[RunningEngine]:
    settings: dict[home.Key, home.Value] = {("rpc", "max_subscriptions_per_client"): 50}
    rpc, p2p = home.free_ports(2)
    # The plain store answers with no list of validators, the persistent one with an empty list.
    validator = ValidatorHome(
        folder / "engine", "persistent_kvstore", rpc, p2p, settings
    )
    await home.prepare(engine.binary, validator)
    async with process.run_engine(engine.binary, validator) as running:
        yield running


class Read:
    """What a node says of its chain."""

    def __init__(self, running: RunningEngine) -> None:
        self._rpc = running.rpc
        self.blocks: list[Block] = []
        self.results: list[BlockResults] = []
        self.announced: list[Announcement] = []

    async def all(self) -> None:
        """Read up to the last height of which the results are there, and check it."""
        status = read_status(await self._rpc.call("status"))
        last: Spelling | None = None
        for height in range(1, status.latest_height + 1):
            raw = await self._rpc.call("block", height=str(height))
            raw_results = await self._results(height)
            block, results = read_block(raw), read_results(raw_results, last=last)
            last = results.spelling
            integrity.check_block(block, height=height, chain_id=status.chain_id)
            integrity.check_results(block, results)
            commit = read_commit(await self._rpc.call("commit", height=str(height)))
            assert (commit.block_id, commit.header) == (block.block_id, block.header)
            if height > 1:
                integrity.check_link(self.blocks[-1].block_id.hash, block)
                integrity.check_next(self.results[-1], block.header)
            self.blocks.append(block)
            self.results.append(results)
            self.announced += announcements(raw, raw_results, block, results)

    async def _results(self, height: int) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            try:
                return await self._rpc.call("block_results", height=str(height))
            except process.RpcError:
                return None

        return await child.poll(there, seconds=PATIENCE, what="results")


class GivenUp(Exception):
    """The engine has cancelled a subscription of ours."""


async def until_not_given_up(
    attempt: Callable[[Release, Path], Awaitable[None]], engine: Release, folder: Path
) -> None:
    """Try it with new engines.

    The oldest ones cancel a subscription when two events come before their own task has taken the
    first, whatever the client does.
    """
    for number in range(TRIES):
        (place := folder / str(number)).mkdir()
        try:
            return await attempt(engine, place)
        except GivenUp as error:
            reason = error
    raise reason


async def test_what_a_node_says_is_true_and_announced_alike(
    engine: Release, tmp_path: Path
) -> None:
    await until_not_given_up(is_true_and_announced_alike, engine, tmp_path)


async def is_true_and_announced_alike(engine: Release, folder: Path) -> None:
    generation = generation_of(engine)
    newer = generation is Generation.FROM_0_38
    queries = QUERIES + NEWER * newer
    if engine.name.startswith("tendermint-0.31"):
        # One client has room for five, and keys have one value each.
        queries = QUERIES[:5]
    async with key_value_store(engine, folder) as running:
        url = f"ws://127.0.0.1:{running.rpc.port}/websocket"
        async with open_websocket_url(url) as client:
            frames = await subscribed(client, queries)
            before = await running.rpc.height()
            for batch in BATCHES:
                for tx in batch:
                    await running.rpc.broadcast("sync", tx)
                await committed(running, batch[-1])
            with trio.fail_after(PATIENCE):
                while len(frames[queries[0]]) < sum(map(len, BATCHES)):
                    await take(client, frames)
            read = Read(running)
            await read.all()
            # What comes after the last transaction may be announced later than it is read.
            heights = range(before + 1, 1 + max(map(height_of, frames[queries[0]])))
            index = QueryIndex()
            parsed = {parse(text, generation): text for text in queries}
            for query in parsed:
                index.add(query)
            expected: dict[str, list[Frame]] = {text: [] for text in queries}
            for each in read.announced:
                for query in index.match(each.item):
                    made = frame(each, parsed[query], tags="0.31" in engine.name)
                    expected[parsed[query]].append(made)
            with trio.fail_after(PATIENCE):
                while len(within(heights, sent_in(frames))) < len(
                    within(heights, sent_in(expected))
                ):
                    await take(client, frames)
            await told_all(client, frames)
        for text in queries:
            made_of_it = within(heights, expected[text])
            assert unordered(within(heights, frames[text])) == unordered(
                made_of_it
            ), text
        assert [bool(expected[text]) for text in queries].count(False) <= 4
        if newer:
            await searched(running, read)


async def subscribed(
    client: WebSocketConnection, queries: list[str]
) -> dict[str, list[Frame]]:
    """Subscribe to each of those queries; to what comes from then on."""
    frames: dict[str, list[Frame]] = {text: [] for text in queries}
    for text in queries:
        await call(client, f"subscribed {text}", "subscribe", query=text)
    missing = {f"subscribed {text}" for text in queries}
    while missing:
        missing.discard(await take(client, frames))
    return frames


async def call(
    client: WebSocketConnection, name: str, method: str, **params: str
) -> None:
    request = {"jsonrpc": "2.0", "id": name, "method": method, "params": params}
    await client.send_message(json.dumps(request))


async def take(client: WebSocketConnection, frames: dict[str, list[Frame]]) -> str:
    """Take one message; the id it came with."""
    with trio.fail_after(PATIENCE):
        message = json.loads(await client.get_message())
    error = message.get("error")
    if error and "not pulling messages fast enough" in error["data"]:
        raise GivenUp(message)
    assert not error, message
    if message["result"].get("data"):
        frames[message["result"]["query"]].append(message["result"])
    return str(message["id"])


async def told_all(client: WebSocketConnection, frames: dict[str, list[Frame]]) -> None:
    """Take what was sent until now, and an answer after it."""
    await call(client, "last", "health")
    while await take(client, frames) != "last":
        pass


async def committed(running: RunningEngine, tx: bytes) -> None:
    """Wait until `tx` is in a block, so that the next one is in another."""

    async def there() -> bool | None:
        for height in range(1, await running.rpc.height() + 1):
            if tx in await running.rpc.transactions(height):
                return True
        return None

    await child.poll(there, seconds=PATIENCE, what=f"{tx!r} in a block")


def sent_in(frames: dict[str, list[Frame]]) -> list[Frame]:
    return [each for sent in frames.values() for each in sent]


def within(heights: range, frames: list[Frame]) -> list[Frame]:
    return [each for each in frames if height_of(each) in heights]


def height_of(sent: Frame) -> int:
    """The height that a frame is about."""
    value = sent["data"]["value"]
    found = value.get("TxResult") or value
    if "height" not in found:
        found = (found.get("block") or found)["header"]
    return int(found["height"])


def unordered(frames: list[Frame]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in frames)


async def searched(running: RunningEngine, read: Read) -> None:
    """The engine's index asks for one event that has it all."""
    for text, count in {
        "app.creator='Cosmoshi' AND app.key='1'": 1,
        "app.creator='Cosmoshi Netowoko' AND app.key='1'": 0,
        "app.creator='Cosmoshi' AND app.key CONTAINS 'o'": 3,
        "app.key='name'": 1,
    }.items():
        index = QueryIndex()
        index.add(OneEvent(parse(text)))
        ours = {
            each.value["TxResult"]["tx"]  # type: ignore[index]
            for each in read.announced
            if each.kind == "Tx" and index.match(each.item)
        }
        assert len(ours) == count

        async def agrees(text: str = text, ours: set[str] = ours) -> bool | None:
            found = await running.rpc.call("tx_search", query=text)
            return {tx["tx"] for tx in found["txs"]} == ours or None

        # The index is behind the blocks.
        await child.poll(agrees, seconds=PATIENCE, what=f"tx_search of {text}")
