"""The whole node without an engine: a block is made of each transaction as it comes.

Real log, real state machine, real doors on real sockets; in place of the consensus node
and its RPC stands an object that checks a transaction and commits it, alone in a block,
before it answers.
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from scripts.signing import Key, base58_encode
from tests.http.apis import bigchaindb_api
from tests.ledger.chains import ALICE, Engine
from tests.voting import election
from trio_stream.abci.messages import CheckTx, TxResult, ValidatorUpdate
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.engine.broadcast import (
    CheckResult,
    ClientStatistics,
    EngineRefused,
    Mode,
)
from trio_stream.engine.places import PlacesStatistics
from trio_stream.engine.rpc import RpcStatistics
from trio_stream.engine.server import AbciStatistics
from trio_stream.engine.state_machine import StateMachineStatistics
from trio_stream.engine.sync_status import SyncStatus
from trio_stream.http import server as http_server
from trio_stream.http.figures import Rooms
from trio_stream.http.observed import Readiness, observed
from trio_stream.http.places import HttpStatistics
from trio_stream.http.routes import Get
from trio_stream.http.status import Chained
from trio_stream.http.submit import Broadcaster, Posts
from trio_stream.ledger.application import Application
from trio_stream.log.disk import Disk
from trio_stream.log.file import FILE_NAME
from trio_stream.log.reader import LogReader
from trio_stream.log.snapshotter import SnapshotterStatistics
from trio_stream.log.writer import CommitLog
from trio_stream.net.durations import Durations
from trio_stream.stream.admission import Admission
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.websocket import server as websocket_server
from trio_stream.websocket.limits import WebSocketLimits

STREAM_PATH = "/api/v1/streams/valid_transactions"
# The one of the recorded chain's genesis file.
VALIDATOR = ValidatorUpdate(
    "ed25519", b64decode("Zr5+Myx6RTMyvZ0Kf32wVfXF7xoGraZtmLOftoEMRzo="), 10
)
# Anybody can open an election in a validator's name.
_PROPOSER = Key(ALICE.secret, base58_encode(VALIDATOR.key))
ELECTION = election(
    power=3, proposer=_PROPOSER, recipients=[(_PROPOSER, VALIDATOR.power)]
)
"""One that it accepts."""

MAX_BODY = 1 << 20


class InstantNode:
    """Stands for the consensus node's RPC."""

    def __init__(self, engine: Engine, channel: CommitChannel) -> None:
        self.engine = engine
        self._channel = channel
        self._seen: set[bytes] = set()
        self.app_hashes: dict[int, str] = {}
        self.http_url = ""
        self.ws_url = ""

    def block(self, *txs: bytes) -> list[int]:
        """Make a block, whatever is in it."""
        height = self.engine.next_height
        codes, self.app_hashes[height] = self.engine.block(*txs)
        self._channel.advance(height)
        return codes

    async def app_hash(self, height: int) -> str:
        await trio.lowlevel.checkpoint()
        return self.app_hashes[height]

    async def broadcast(self, mode: Mode, raw: bytes) -> CheckResult:
        await trio.lowlevel.checkpoint()
        if raw in self._seen:
            raise EngineRefused("Internal error", "tx already exists in cache", -32603)
        checked = self.engine.ask(CheckTx(raw))
        assert isinstance(checked, TxResult)
        if checked.code == 0:
            self._seen.add(raw)
            self.block(raw)
        return CheckResult(checked.code if mode == "sync" else 0, checked.log, "")


def what_is_observed(
    chain: Chained, reader: LogReader, channel: CommitChannel, path: Path
) -> dict[str, Get]:
    """What is answered about the node itself; no engine is connected."""
    nobody = PlacesStatistics(0, 0, None, math.inf)
    rooms = Rooms(
        chain=chain,
        log=reader,
        disk=Disk(path),
        channel=channel,
        engine=SyncStatus("http://127.0.0.1:1"),
        abci=lambda: AbciStatistics(
            nobody, StateMachineStatistics(False, 0, 0, 0), {}, {}
        ),
        broadcasts=lambda: ClientStatistics(RpcStatistics(0, 0), 0),
        subscribers=Admission(),
        guard_refused={},
        http=lambda: HttpStatistics(0, 0, 0, 0, 0, {}),
        posts=Posts,
        checks_refused={},
        snapshots=lambda: SnapshotterStatistics(0, 0, 0, 0.0),
        loop_delays=Durations(),
    )
    readiness = Readiness(engine_timeout=30, free_bytes=0)
    return observed(rooms, readiness, run_sync=trio.to_thread.run_sync)


@asynccontextmanager
async def instant_node(
    home: Path,
    *,
    whole: bool = False,
    rpc: Broadcaster | None = None,
    commit_timeout: float = 10,
    validators: Sequence[ValidatorUpdate] = (VALIDATOR,),
) -> AsyncIterator[InstantNode]:
    """A node at height 1, its first block empty; `whole`: blocks by FinalizeBlock.

    `rpc`: what is posted goes there, and no block is made of it.
    """
    cache = CandidateCache(1 << 20)
    with CommitLog.open(home) as log:
        application = Application(log, cache, version="0")
        engine = Engine(application, log, whole=whole)
        engine.init_chain(validators=validators)
        reader = LogReader(home / FILE_NAME, cache)
        blocks = CommittedBlocks(reader)
        channel = CommitChannel(blocks)
        node = InstantNode(engine, channel)
        node.block()
        stop = trio.Event()
        ws, http = [await trio.open_tcp_listeners(0, host="127.0.0.1") for _ in "ab"]
        ws_port, http_port = (each[0].socket.getsockname()[1] for each in (ws, http))
        node.http_url = f"http://127.0.0.1:{http_port}"
        node.ws_url = f"ws://127.0.0.1:{ws_port}{STREAM_PATH}"
        app = bigchaindb_api(
            reader=reader,
            engine=rpc or node,
            channel=channel,
            watched=blocks,
            checks=application.recent_checks,
            streams_url=node.ws_url,
            commit_timeout=commit_timeout,
            max_body_bytes=MAX_BODY,
            observed=what_is_observed(application, reader, channel, log.path),
            ended=lambda: application.ended,
        )
        limits = WebSocketLimits()
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=stop))
            streams = partial(websocket_server.serve, channel, ws, limits=limits)
            await nursery.start(partial(streams, stop=stop))
            api = partial(http_server.serve, app, http, tls=None)
            doors = http_server.HttpLimits(max_body_bytes=MAX_BODY)
            api = partial(api, direct=app.direct, limits=doors)
            await nursery.start(partial(api, stop=stop))
            yield node
            stop.set()
        await reader.aclose()
