"""What the doors serve: the log, what writes and reads it, and the way to the engine."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import trio

from trio_stream import __version__
from trio_stream.abci.messages import InitChain
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.config import Config
from trio_stream.engine.broadcast import EngineClient
from trio_stream.engine.genesis import read_genesis
from trio_stream.engine.rpc import EngineUnavailable
from trio_stream.engine.sync_status import SyncStatus
from trio_stream.ledger.application import Application
from trio_stream.ledger.snapshots import GenesisUnknown, StateSync
from trio_stream.log.checkpoint import Checkpointer
from trio_stream.log.disk import Disk
from trio_stream.log.reader import LogReader
from trio_stream.log.restoring import Restoring
from trio_stream.log.snapshots import Snapshots
from trio_stream.log.snapshotter import Snapshotter
from trio_stream.log.writer import CommitLog
from trio_stream.stream.selection import Selection
from trio_stream.transactions.candidate import CandidateCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What the doors serve; open until the stack is closed that it was opened with."""

    application: Application
    blocks: CommittedBlocks
    channel: CommitChannel[Selection]
    checkpointer: Checkpointer
    snapshotter: Snapshotter
    reader: LogReader
    engine: EngineClient
    sync_status: SyncStatus
    disk: Disk


def open_core(config: Config, stack: AsyncExitStack) -> Core:
    """Open the log, and make what reads and writes it. Raises `CommitLogError`."""
    log = stack.enter_context(CommitLog.open(config.home))
    # A block's signatures share the processors.
    verifiers = stack.enter_context(ThreadPoolExecutor(os.cpu_count(), "verifier"))
    cache = CandidateCache(
        config.cache_bytes, lock=threading.Lock(), in_parallel=verifiers.map
    )
    reader = LogReader(log.path, cache)
    stack.push_async_callback(reader.aclose)
    warn = partial(logger.warning, "%s")
    snapshots = Snapshots(log, keep=config.snapshot_keep)
    restoring = Restoring(log)
    stack.callback(restoring.close)
    state_sync = StateSync(
        snapshots, restoring, partial(_read_genesis, config.node), warn=warn
    )
    application = Application(
        log, cache, version=__version__, state_sync=state_sync, warn=warn
    )
    blocks = CommittedBlocks(reader)
    channel = CommitChannel(
        blocks, tail_bytes=config.tail_bytes, resume_ahead=config.resume_ahead
    )
    engine = EngineClient(
        config.node,
        max_connections=config.node_connections,
        timeout=config.node_timeout,
    )
    stack.push_async_callback(engine.aclose)
    sync_status = SyncStatus(config.node)
    stack.push_async_callback(sync_status.aclose)
    checkpointer = Checkpointer(log, reader)
    return Core(
        application=application,
        blocks=blocks,
        channel=channel,
        checkpointer=checkpointer,
        snapshotter=Snapshotter(snapshots, interval=config.snapshot_interval),
        reader=reader,
        engine=engine,
        sync_status=sync_status,
        disk=Disk(log.path),
    )


def _read_genesis(url: str) -> InitChain:
    """The engine's genesis file; for the state machine's thread."""
    try:
        return trio.from_thread.run(read_genesis, url)
    except EngineUnavailable as error:
        raise GenesisUnknown(str(error)) from error
