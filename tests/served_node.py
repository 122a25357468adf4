"""The subscribers' side of a node that can be committed to and restarted: log, channel, doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from tests.history import commit_blocks
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.websocket import server
from trio_stream.websocket.limits import WebSocketLimits

BUFFER = 4096
"""Bytes of the sockets' buffers: small, so that clients fall behind."""


@dataclass
class ServedNode:
    """It commits the history of `history`; threads are done without."""

    home: Path
    tail_bytes: int
    height: int = 0
    port: int = 0
    log: CommitLog | None = None
    channel: CommitChannel | None = None
    stopping: trio.Event = field(default_factory=trio.Event)
    stopped: trio.Event = field(default_factory=trio.Event)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until `stopping` is set; can be run again after that."""
        cache = CandidateCache(1 << 20)
        self.stopping, self.stopped = trio.Event(), trio.Event()
        with CommitLog.open(self.home) as self.log:
            reader = LogReader(self.log.path, cache, run_sync=_inline)
            self.channel = CommitChannel(
                CommittedBlocks(reader), tail_bytes=self.tail_bytes
            )
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            limits = WebSocketLimits(send_buffer=BUFFER, shutdown_timeout=0.2)
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(self.channel.run, stop=self.stopping))
                serve = partial(server.serve, self.channel, listeners, limits=limits)
                await nursery.start(partial(serve, stop=self.stopping))
                task_status.started()
            await reader.aclose()
        self.stopped.set()

    def commit(self, blocks: int) -> None:
        assert self.log is not None and self.channel is not None
        commit_blocks(self.log, blocks)
        self.height += blocks
        self.channel.advance(self.height)


async def _inline(
    function: Callable[[], object], *, limiter: trio.CapacityLimiter
) -> object:
    async with limiter:
        return function()
