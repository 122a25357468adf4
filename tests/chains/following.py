"""A follower with a log on disk in this very process, and what its log says afterwards."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from scripts import child
from scripts.chains.simd import Simd
from scripts.engines.process import RpcError, RunningEngine
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip
from trio_stream.follower.follower import Follower
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog

PATIENCE = 300.0
"""Seconds that any one step may take; usually none takes two."""

BEGIN = "begin_block_events"

NODE = NodeSettings(rate=500)
EARLIEST = FollowSettings(start="earliest", poll=0.2)


class Following:
    """How far it is."""

    def __init__(self) -> None:
        self.tip = FollowedTip(0, None)
        self._moved = trio.Event()

    def advance(self, tip: FollowedTip) -> None:
        assert tip.height > self.tip.height
        self.tip = tip
        self._moved.set()

    async def reached(self, height: int) -> None:
        """Wait until that height is stored."""
        with trio.fail_after(PATIENCE):
            while self.tip.height < height:
                self._moved = trio.Event()
                await self._moved.wait()


async def follow(
    simd: Simd, home: Path, following: Following, settings: FollowSettings = EARLIEST
) -> None:
    """Follow until cancelled; raises a Stopped."""
    node = Node(f"http://127.0.0.1:{simd.rpc_port}", NODE)
    with FollowedLog.open(home) as log:
        following.tip = log.tip()
        follower = Follower([node], log, settings, advance=following.advance)
        await follower.run()


@asynccontextmanager
async def followed(
    simd: Simd, home: Path, settings: FollowSettings = EARLIEST
) -> AsyncIterator[Following]:
    """A follower while the block runs."""
    following = Following()
    async with child.open_nursery() as nursery:
        nursery.start_soon(  # noqa: ASYNC113  # it starts when it is waited for
            follow, simd, home, following, settings
        )
        yield following


async def stored(home: Path, first: int = 1) -> list[FollowedBlock]:
    """All blocks of a log, of which none may be missing."""
    reader = FollowedReader(home / "log.db")
    tip = (await reader.tip()).height
    found = [await reader.block(height) for height in range(first, tip + 1)]
    await reader.aclose()
    missing = [height for height, each in enumerate(found, first) if each is None]
    assert not missing, f"of {tip} blocks the log lacks {missing}"
    return [each for each in found if each is not None]


async def assert_equal(
    blocks: list[FollowedBlock], node: RunningEngine, *, kills: int = 0
) -> None:
    """Ask the node again for everything that is stored.

    Up to 0.37, a node that is killed between the application's commit and its own replays that
    block without the application, and says from then on that BeginBlock caused no events.
    """
    forgotten = []
    for each in blocks:
        block = await node.rpc.call("block", height=str(each.height))
        assert each.raw_block == block, f"{each.height}: {each.raw_block}; {block}"
        said = await results(node, each.height)
        if not said.get(BEGIN, True) and each.raw_results[BEGIN]:
            forgotten.append(each.height)
            said[BEGIN] = each.raw_results[BEGIN]
        assert each.raw_results == said, f"{each.height}: {each.raw_results}; {said}"
    assert len(forgotten) <= kills, forgotten


async def assert_holds(
    blocks: list[FollowedBlock], sent: list[str], node: RunningEngine
) -> None:
    """The transactions of these blocks are those that were sent, in that order, each once."""
    places = [
        (tx_hash, each.height) for each in blocks for tx_hash in each.block.tx_hashes
    ]
    if [tx_hash for tx_hash, _ in places] == sent:
        return
    said = {}
    for tx_hash in {*sent, *(tx_hash for tx_hash, _ in places)}:
        encoded = b64encode(bytes.fromhex(tx_hash)).decode()
        try:
            said[tx_hash] = (await node.rpc.call("tx", hash=encoded))["height"]
        except RpcError as error:
            said[tx_hash] = str(error)
    height = await node.rpc.height()
    raise AssertionError(
        f"sent: {sent}; stored up to {blocks[-1].height}: {places}; "
        f"the node, at {height}, has them in {said}"
    )


async def results(node: RunningEngine, height: int) -> dict[str, Any]:
    """A node has a block some milliseconds before it has its results."""

    async def there() -> dict[str, Any] | None:
        try:
            return await node.rpc.call("block_results", height=str(height))
        except (RpcError, trio.TooSlowError):
            return None

    return await child.poll(there, seconds=PATIENCE, what=f"results of {height}")
