"""The chain that `chaos_follow` kills: an engine with its own store, and tasks that send to it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import trio

from scripts import child, http_client
from scripts.chaos_follow_clients import FollowedBlock, KnownEvent, KnownTransaction
from scripts.engines import process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import NOT_THERE, RpcError, RunningEngine

CATCH_UP_SECONDS = 300.0
_POSTERS = 3
_POST_PAUSE = 0.04
_NODE_DELAY = 1.5
"""Seconds until a node that is to die does, at most."""


class Chain:
    """The engine's binary in a home of its own, and tasks that send to it."""

    def __init__(
        self, binary: Path, validator: ValidatorHome, chance: random.Random
    ) -> None:
        self.killed = 0
        self._kill = trio.Event()
        self._binary = binary
        self._validator = validator
        self._chance = chance
        self._numbers = itertools.count(1)
        self._dooms = 0
        self._doom = trio.Event()

    def doom(self) -> None:
        """Have it killed soon, once."""
        self._dooms += 1
        self._doom.set()

    async def live_and_die(self) -> None:
        """Run it, and run it again whenever it was killed."""
        while True:
            async with child.open_nursery() as nursery:
                node = await process.start_engine(
                    nursery, self._binary, self._validator
                )
                await node.ready()
                for _ in range(_POSTERS):
                    nursery.start_soon(self._post, node)
                await child.while_alive(node, self._is_doomed)
                await trio.sleep(self._chance.random() * _NODE_DELAY)
                await node.kill()
                self.killed += 1
                self._kill.set()
                nursery.cancel_scope.cancel()

    async def _is_doomed(self) -> None:
        while self.killed >= self._dooms:
            self._doom = trio.Event()
            await self._doom.wait()

    async def has_killed(self, times: int) -> None:
        """Wait until the engine was killed so often."""
        while self.killed < times:
            self._kill = trio.Event()
            await self._kill.wait()

    async def _post(self, node: RunningEngine) -> None:
        while True:
            number = next(self._numbers)
            # There is no answer if it dies meanwhile.
            with suppress(RpcError, *NOT_THERE):
                await node.rpc.broadcast("sync", b"key%d=%d" % (number, number % 97))
            await trio.sleep(self._chance.random() * _POST_PAUSE)

    def at_rest(self) -> AbstractAsyncContextManager[RunningEngine]:
        """Run it, and send nothing more."""
        return process.run_engine(self._binary, self._validator)


async def known(node: RunningEngine) -> list[FollowedBlock]:
    """All blocks of the chain as the node says them, once it makes no more."""

    async def at_rest() -> int | None:
        info = (await node.rpc.call("status"))["sync_info"]
        height, app_hash = await node.rpc.application()
        signed = int(info["latest_block_height"]), info["latest_app_hash"]
        return height if signed == (height, app_hash.hex().upper()) else None

    # A block that was proposed before the last kill is made now, perhaps after the first look.
    await node.rpc.broadcast("commit", b"the=end")
    tip = await child.poll(at_rest, seconds=CATCH_UP_SECONDS, what="end of activity")
    async with http_client.connect("127.0.0.1", node.rpc.port) as connection:
        return [await known_block(connection, height) for height in range(1, tip + 1)]


async def known_block(
    connection: http_client.ClientConnection, height: int
) -> FollowedBlock:
    block, results = [
        (await connection.request("GET", f"/{method}?height={height}")).json()["result"]
        for method in ("block", "block_results")
    ]
    raw = block["block"]["data"]["txs"] or []
    transactions = [
        KnownTransaction(
            hashlib.sha256(base64.b64decode(tx)).hexdigest().upper(),
            int(result["code"]),
            tuple(map(KnownEvent.of, result["events"])),
        )
        for tx, result in zip(raw, results["txs_results"] or [], strict=True)
    ]
    return FollowedBlock(height, block["block_id"]["hash"], transactions)
