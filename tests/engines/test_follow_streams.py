"""The streams of `trio-stream follow` before a node of each release say what the node says."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts import child
from scripts.daemon_process import RunningDaemon, run_daemon
from scripts.engines.build import Release
from scripts.engines.process import RpcError, RunningEngine
from scripts.follower_process import FollowerSettings
from tests.engines.site import PATIENCE
from tests.engines.test_cometbft import committed, key_value_store
from trio_stream.cometbft.results import read_results
from trio_stream.log.file import FILE_NAME
from trio_stream.log.followed.verify import verify

pytestmark = pytest.mark.engine

Message = dict[str, Any]

MORE = "detail=position&limit=1000"


@asynccontextmanager
async def follower(
    running: RunningEngine, home: Path, *arguments: str
) -> AsyncIterator[RunningDaemon]:
    settings = FollowerSettings(
        home=home,
        node=[f"http://127.0.0.1:{running.rpc.port}"],
        arguments=arguments,
    )
    async with run_daemon(settings) as it:
        yield it


async def pulled(it: RunningDaemon, asked: str, last: bytes) -> list[Message]:
    """All messages of a pull, once the one about the transaction `last` is among them."""
    wanted = hashlib.sha256(last).hexdigest().upper()

    async def there() -> list[Message] | None:
        answer = await it.http("GET", f"/api/v1/events?{asked}&{MORE}")
        assert answer.status == 200, answer.body
        events: list[Message] = answer.json()["events"]
        return events if any(each.get("tx_hash") == wanted for each in events) else None

    return await child.poll(there, seconds=PATIENCE, what="the last transaction")


async def said(running: RunningEngine) -> list[Message]:
    """The messages of all transactions, made of what the node says."""
    messages: list[Message] = []
    for height in range(1, await running.rpc.height() + 1):
        txs = await running.rpc.transactions(height)
        results = read_results(await results_of(running, height))
        for index, (tx, result) in enumerate(zip(txs, results.txs, strict=True)):
            messages.append(
                {
                    "height": height,
                    "index": index,
                    "tx_hash": hashlib.sha256(tx).hexdigest().upper(),
                    "code": result.code,
                    "events": [
                        {
                            "type": event.type,
                            "attributes": [
                                {"key": each.key, "value": each.value}
                                for each in event.attributes
                            ],
                        }
                        for event in result.events
                    ],
                }
            )
    return messages


async def results_of(running: RunningEngine, height: int) -> Message:
    async def there() -> Message | None:
        try:
            return await running.rpc.call("block_results", height=str(height))
        except RpcError:
            return None

    return await child.poll(there, seconds=PATIENCE, what=f"results of {height}")


async def send(running: RunningEngine, *txs: bytes) -> None:
    for tx in txs:
        await running.rpc.broadcast("sync", tx)
        await committed(running, tx)


async def test_a_follower_says_what_its_node_says_also_after_a_kill(
    engine: Release, tmp_path: Path
) -> None:
    home = tmp_path / "followed"
    async with key_value_store(engine, tmp_path) as running:
        await send(running, b"a=1", b"b=2")
        async with follower(running, home) as it:
            first = await pulled(it, "stream=transactions&after=earliest", b"b=2")
            await send(running, b"c=3")
            await pulled(it, "stream=transactions&after=earliest", b"c=3")
            await it.kill()
        await send(running, b"d=4")
        async with follower(running, home) as it:
            asked = "stream=transactions&after=earliest"
            messages = await pulled(it, asked, b"d=4")
            assert messages[:2] == first
            plain = [without_position(each) for each in messages]
            assert plain == await said(running)
            assert len(plain) == 4
            after = messages[2]["position"]
            later = await pulled(it, f"stream=transactions&after={after}", b"d=4")
            assert later == messages[3:]
            events = await pulled(it, "stream=events&after=earliest", b"d=4")
            of_transactions = [each for each in events if each["phase"] == "tx"]
            assert [each["type"] for each in of_transactions] == [
                event["type"] for each in plain for event in each["events"]
            ]
            answer = await it.http("GET", "/health/ready")
            assert answer.status == 200, answer.body
            assert await it.stop() == 0, it.last_words()


async def test_what_two_nodes_say_and_the_next_header_confirms_is_streamed_as_well(
    engine: Release, tmp_path: Path
) -> None:
    async with key_value_store(engine, tmp_path) as running:
        # Under another name it is another node.
        again = f"http://localhost:{running.rpc.port}"
        arguments = ("--node", again, "--agree", "2", "--confirm", "1")
        async with follower(running, tmp_path / "followed", *arguments) as it:
            await send(running, b"a=1", b"b=2")
            # It makes no empty blocks unless it has to, and this one is confirmed by the next.
            await send(running, b"the=next", b"one=3")
            asked = "stream=transactions&after=earliest"
            found = await pulled(it, asked, b"b=2")
            plain = [without_position(each) for each in found]
            assert plain == (await said(running))[: len(plain)]
            assert await it.stop() == 0, it.last_words()
        assert verify(tmp_path / "followed" / FILE_NAME).found == 0


def without_position(message: Message) -> Message:
    left_out = ("position", "time")
    return {name: each for name, each in message.items() if name not in left_out}
