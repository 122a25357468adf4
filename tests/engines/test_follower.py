"""A real node is followed, and what is stored is what it says when it is asked again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from scripts.engines.build import Release
from scripts.engines.process import RunningEngine
from tests.engines.site import PATIENCE
from tests.engines.test_cometbft import committed, key_value_store
from tests.follower.memory import MemoryLog
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip
from trio_stream.follower.follower import Follower
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings

pytestmark = pytest.mark.engine


async def follow(running: RunningEngine, log: MemoryLog, last: bytes) -> None:
    """Follow until a block with the transaction `last` is stored, and one more."""
    stored = trio.Event()
    seen = False

    def advance(tip: FollowedTip) -> None:
        nonlocal seen
        entry = log.entries[-1]
        assert isinstance(entry, FollowedBlock) and tip == log.tip()
        if seen:
            stored.set()
        seen = seen or last in entry.block.txs

    node = Node(
        f"http://127.0.0.1:{running.rpc.port}",
        NodeSettings(rate=500),
        run_sync=trio.to_thread.run_sync,
    )
    settings = FollowSettings(start="earliest")
    follower = Follower([node], log, settings, advance=advance)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run)
        with trio.fail_after(PATIENCE):
            await stored.wait()
        nursery.cancel_scope.cancel()


async def test_a_node_is_followed_from_its_first_block(
    engine: Release, tmp_path: Path
) -> None:
    log = MemoryLog()
    async with key_value_store(engine, tmp_path) as running:
        for tx in (b"a=1", b"b=2", b"c=3"):
            await running.rpc.broadcast("sync", tx)
            await committed(running, tx)
        # From behind, then live, then on where it was.
        await follow(running, log, b"c=3")
        before = log.tip().height
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(follow, running, log, b"e=5"))
            for tx in (b"d=4", b"e=5"):
                await running.rpc.broadcast("sync", tx)
                await committed(running, tx)
        assert log.heights == list(range(1, log.tip().height + 1))
        assert log.tip().height > before
        txs = [
            tx
            for each in log.entries
            if isinstance(each, FollowedBlock)
            for tx in each.block.txs
        ]
        assert txs == [b"a=1", b"b=2", b"c=3", b"d=4", b"e=5"]
        for each in log.entries:
            assert isinstance(each, FollowedBlock)
            height = str(each.height)
            assert each.raw_block == await running.rpc.call("block", height=height)
            assert each.raw_results == await running.rpc.call(
                "block_results", height=height
            )
