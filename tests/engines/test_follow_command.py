"""`trio-stream follow` as a program, before a real node, killed and started again."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import child
from scripts.daemon_process import RunningDaemon, start_daemon
from scripts.engines.build import Release
from scripts.engines.process import RunningEngine
from scripts.follower_process import FollowerSettings
from tests.engines.site import PATIENCE
from tests.engines.test_cometbft import committed, key_value_store
from trio_stream.cometbft.results import read_results

pytestmark = pytest.mark.engine

ENGINES = ("tendermint-0.34.24", "cometbft-0.38.26")
"""One that writes attributes in base64, and one that does not; all others are followed in
`test_follower`."""


class Reader:
    """Polls one stream, whichever follower there is, and goes on where it was."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.after = "earliest"
        self.messages: list[dict[str, Any]] = []

    async def until(self, follower: RunningDaemon, height: int) -> None:
        """Read up to that block."""
        with trio.fail_after(PATIENCE):
            while int(self.after.partition(":")[0].replace("earliest", "0")) < height:
                target = f"/api/v1/events?stream={self.stream}&detail=full"
                answer = await follower.http(
                    "GET", f"{target}&after={self.after}&limit=1000&wait=5"
                )
                assert answer.status == 200, answer.body
                found = answer.json()
                self.messages += found["events"]
                self.after = found["next"]


async def test_a_follower_that_is_killed_skips_and_repeats_nothing(
    engine: Release, tmp_path: Path
) -> None:
    readers = [Reader("transactions"), Reader("blocks"), Reader("events")]
    async with key_value_store(engine, tmp_path) as running:
        settings = FollowerSettings(
            home=tmp_path / "home",
            node=[f"http://127.0.0.1:{running.rpc.port}"],
        )
        for number in range(3):
            async with child.open_nursery() as nursery:
                follower = await start_daemon(nursery, settings)
                for tx in (b"%d=a" % number, b"%d=b" % number):
                    await running.rpc.broadcast("sync", tx)
                    await committed(running, tx)
                last = await running.rpc.height()
                for reader in readers:
                    await reader.until(follower, last)
                if number < 2:
                    await follower.kill()
                else:
                    assert await follower.stop() == 0
        await check(running, last, readers)


async def check(running: RunningEngine, last: int, readers: list[Reader]) -> None:
    """Compare with what the node says now, up to that block."""
    transactions, blocks, events = (
        [message for message in each.messages if message["height"] <= last]
        for each in readers
    )
    assert [each["height"] for each in blocks] == list(range(1, last + 1))
    expected, count = [], 0
    for height in range(1, last + 1):
        raw = await running.rpc.call("block_results", height=str(height))
        results = read_results(raw)
        txs = await running.rpc.transactions(height)
        for index, (tx, result) in enumerate(zip(txs, results.txs, strict=True)):
            expected.append((height, index, tx, len(result.events)))
            count += len(result.events)
        count += sum(1 for _ in results.block_events())
    assert [
        (each["height"], each["index"], b64decode(each["tx"]), len(each["events"]))
        for each in transactions
    ] == expected
    assert [tx for _, _, tx, _ in expected] == [
        b"%d=%s" % (number, letter) for number in range(3) for letter in (b"a", b"b")
    ]
    keys = [(each["height"], each.get("index"), each["event_index"]) for each in events]
    assert len(set(keys)) == len(keys) == count
