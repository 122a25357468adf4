"""What makes the blocks in `chaos`, and knows what is in them.

Either a stand-in that speaks ABCI as CometBFT 0.38 does and decides blocks by itself, one after the
other; or a real engine, to which transactions are posted through the daemon. Either one survives
any number of deaths of the daemon, and does what an engine does after one: a block was stored
before it was executed, and is executed again if the application lacks it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import trio

from scripts import child
from scripts.chaos_clients import Document, KnownBlock
from scripts.daemon_process import RunningDaemon, Settings
from scripts.engines import home, process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import NOT_THERE, RpcError, RunningEngine
from scripts.signing import Key, create, encode, transfer
from tests.fake_engine import GENESIS_TIME, EngineStopped, FakeEngine
from trio_stream.abci.messages import Time

ALICE, BOB = (Key.from_seed(bytes([n]) * 32) for n in (1, 2))

GONE = (EngineStopped, RpcError, child.ChildEnded, trio.TooSlowError, *NOT_THERE)
"""What `drive` raises when the daemon dies."""

_POSTERS = 4
_POST_PAUSE = 0.02
_SETTLE_SECONDS = 60.0


class BlockMaker(Protocol):
    """Makes blocks for a daemon for as long as that runs."""

    asset: Document
    """The CREATE of an asset that moves in many blocks."""
    life: float
    """For how many seconds, at most, the daemon may run once its doors are open."""
    blocks: list[KnownBlock]
    """All blocks; complete once `finish` is done."""

    async def drive(self, daemon: RunningDaemon) -> None:
        """Make blocks until the daemon dies; then return, or raise one of GONE."""

    async def finish(self, daemon: RunningDaemon) -> None:
        """Make the last few blocks."""


class StandIn:
    """A FakeEngine that remembers what it decided."""

    life = 0.4
    pause = 0.01
    """Seconds between two blocks, at most."""
    large_every = 20
    """One of so many blocks is large."""

    def __init__(self, chance: random.Random) -> None:
        self.asset: Document = create(ALICE, data={"moves": chance.random()})
        self.blocks: list[KnownBlock] = []
        self._chance = chance
        self._raw_blocks: list[list[bytes]] = []
        self._hashes: dict[int, bytes] = {}
        self._moved: Document = self.asset

    async def drive(self, daemon: RunningDaemon) -> None:
        await self._make(daemon, None)

    async def finish(self, daemon: RunningDaemon) -> None:
        await self._make(daemon, len(self._raw_blocks) + 20)

    async def _make(self, daemon: RunningDaemon, last: int | None) -> None:
        address = urlsplit(daemon.abci)

        async def connect() -> trio.abc.Stream:
            assert address.hostname and address.port
            return await trio.open_tcp_stream(address.hostname, address.port)

        async with FakeEngine("C38", connect) as engine:
            height = (await engine.info()).last_block_height
            if height == 0:
                await engine.init_chain()
            # The block that was being committed may have been, and its answer lost.
            assert len(self._raw_blocks) - 1 <= height <= len(self._raw_blocks), height
            while last is None or height < last:
                height += 1
                if height > len(self._raw_blocks):
                    self._decide()
                await self._execute(engine, height)
                await trio.sleep(self._chance.random() * self.pause)

    def _decide(self) -> None:
        height = len(self._raw_blocks) + 1
        chance = self._chance
        count = chance.choice(
            (0, 1, 1, 2, 3, 5, 40 if height % self.large_every == 0 else 1)
        )
        if height == 1:
            count = max(count, 1)  # with the asset that moves
        block: list[bytes] = []
        valid: list[Document | None] = []
        for index in range(count):
            document = self._document(height, index)
            raw = encode(document) if document else b"nonsense"
            block.append(raw)
            valid.append(document)
            if chance.random() < 0.1:
                # Twice, so the second is refused.
                block.append(raw)
                valid.append(None)
        self._raw_blocks.append(block)
        self.blocks.append(KnownBlock(height, valid))

    def _document(self, height: int, index: int) -> Document | None:
        if height == 1 and index == 0 or not self.asset:
            return self.asset
        if self._chance.random() < 0.1:
            return None
        if index == 0:
            self._moved = transfer(self._moved, ALICE)
            return self._moved
        signer = self._chance.choice((ALICE, BOB))
        return create(signer, data={"height": height, "index": index})

    async def _execute(self, engine: FakeEngine, height: int) -> None:
        txs, block = self._raw_blocks[height - 1], self.blocks[height - 1]
        time = Time(GENESIS_TIME.seconds + height, 0)
        await engine.propose(txs)
        results, app_hash = await engine.execute(height, txs, time)
        assert [result.code == 0 for result in results] == [
            document is not None for document in block.transactions
        ], height
        # A block that is executed again gives the same hash.
        assert self._hashes.setdefault(height, app_hash) == app_hash, height
        await engine.commit()


class RealEngine:
    """An engine's binary in a home of its own, and tasks that post to it."""

    life = 3.0  # it needs one second to start

    def __init__(self, binary: Path, validator: ValidatorHome) -> None:
        self.asset: Document = create(ALICE, data={"moves": "often"})
        self.blocks: list[KnownBlock] = []
        self._binary = binary
        self._validator = validator
        self._moved: Document = self.asset
        self._number = 0

    @classmethod
    async def prepared(cls, binary: Path, folder: Path, settings: Settings) -> Self:
        """One with a prepared home, for the daemon with these settings."""
        rpc = urlsplit(settings.node).port
        assert rpc
        (p2p,) = home.free_ports(1)
        validator = ValidatorHome(folder / "engine", settings.abci, rpc, p2p)
        await home.prepare(binary, validator)
        return cls(binary, validator)

    async def drive(self, daemon: RunningDaemon) -> None:
        running = process.run_engine(self._binary, self._validator)
        async with running as engine, child.open_nursery() as nursery:
            for _ in range(_POSTERS):
                nursery.start_soon(self._repeat, self._post, daemon)
            nursery.start_soon(self._repeat, self._move, daemon)
            await engine.wait()
            nursery.cancel_scope.cancel()

    async def finish(self, daemon: RunningDaemon) -> None:
        running = process.run_engine(self._binary, self._validator)
        async with running as engine:
            for _ in range(20):
                await self._post(daemon)
            await self._move(daemon)
            tip = await _settled(engine)
            self.blocks = [await _block(engine, h) for h in range(1, tip + 1)]

    async def _repeat(
        self, work: Callable[[RunningDaemon], Awaitable[None]], daemon: RunningDaemon
    ) -> None:
        while True:
            # A post gets no answer if the daemon dies meanwhile.
            with suppress(*NOT_THERE):
                await work(daemon)
            await trio.sleep(_POST_PAUSE)

    async def _post(self, daemon: RunningDaemon) -> None:
        self._number += 1
        document = create((ALICE, BOB)[self._number % 2], data={"n": self._number})
        await daemon.post(encode(document))

    async def _move(self, daemon: RunningDaemon) -> None:
        answer = await daemon.post(encode(self._moved), "commit")
        # If it was committed but the answer was lost, it is refused the second time.
        if answer.status in (202, 400):
            self._moved = transfer(self._moved, ALICE)


async def _settled(engine: RunningEngine) -> int:
    """The height at which engine and daemon have nothing left to do."""

    async def at_rest() -> int | None:
        info = (await engine.rpc.call("status"))["sync_info"]
        height, app_hash = await engine.rpc.application()
        signed = int(info["latest_block_height"]), info["latest_app_hash"]
        return height if signed == (height, app_hash.hex().upper()) else None

    return await child.poll(
        at_rest, seconds=_SETTLE_SECONDS, what="end of activity on the chain"
    )


async def _block(engine: RunningEngine, height: int) -> KnownBlock:
    txs = await engine.rpc.transactions(height)
    codes = await engine.rpc.codes(height)
    transactions: list[Any] = [
        json.loads(raw) if code == 0 else None
        for raw, code in zip(txs, codes, strict=True)
    ]
    return KnownBlock(height, transactions)
