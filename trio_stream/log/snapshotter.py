"""Makes a snapshot after every so many blocks, for nodes that join the network.

Heights are multiples of the interval, so that all nodes have snapshots of the same blocks and one
that joins can fetch chunks from several of them. Only the newest that is due counts: while one is
being made others become due, and a node that replays a long chain passes many.

A snapshot that fails is reported and given up. The log does not depend on it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

import trio

from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.log.connections import RunSync
from trio_stream.log.errors import CommitLogError

logger = logging.getLogger(__name__)

REST: Final = 9.0
"""How much longer than a snapshot took is the pause before the next: a node that has just joined
makes one of all blocks again and again otherwise."""


class Makes(Protocol):
    """What makes snapshots of a log."""

    def make(self, height: int, stopping: Callable[[], bool]) -> Snapshot | None:
        """Make one of a committed block, at any time after it, and delete old ones.

        None if there is one already, or if `stopping` said so meanwhile.
        """
        ...


class SnapshotterStatistics(NamedTuple):
    """What `Snapshotter.statistics` returns."""

    made: int
    failed: int
    height: int
    """Of the newest that was made; 0 if there is none."""
    seconds: float
    """How long that took."""


class Snapshotter:
    """One task of the daemon's nursery; whoever announces commits also calls `committed`.

    With an `interval` of 0 it makes none.
    """

    def __init__(
        self,
        snapshots: Makes,
        *,
        interval: int,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        self._snapshots = snapshots
        self._interval = interval
        self._run_sync = run_sync
        self._due = 0
        self._wake = trio.Event()
        self._limiter = trio.CapacityLimiter(1)
        self._statistics = SnapshotterStatistics(0, 0, 0, 0.0)

    def statistics(self) -> SnapshotterStatistics:
        """How many snapshots there were, and the newest."""
        return self._statistics

    def committed(self, height: int) -> None:
        """Note that the block of this height is committed."""
        if self._interval and height % self._interval == 0:
            self._due = height
            self._wake.set()

    async def run(
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Make what becomes due until `stop` is set; then drop what is half made."""
        stopping = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work, stopping.is_set)
            task_status.started()
            try:
                await stop.wait()
            finally:
                # Also when cancelled: the nursery then waits for the thread.
                stopping.set()
            nursery.cancel_scope.cancel()

    async def _work(self, stopping: Callable[[], bool]) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            began = trio.current_time()
            await self._make(self._due, stopping)
            await trio.sleep(REST * (trio.current_time() - began))

    async def _make(self, height: int, stopping: Callable[[], bool]) -> None:
        began = trio.current_time()
        make = partial(self._snapshots.make, height, stopping)
        try:
            made = await self._run_sync(make, limiter=self._limiter)
        except (OSError, CommitLogError) as error:
            logger.warning("no snapshot of block %d was made: %s", height, error)
            failed = self._statistics.failed + 1
            self._statistics = self._statistics._replace(failed=failed)
            return
        if made is None:
            return
        assert isinstance(made, Snapshot)
        seconds = trio.current_time() - began
        logger.info(
            "a snapshot of block %d was made in %.1f s: %d chunks",
            height,
            seconds,
            made.chunks,
        )
        count = self._statistics.made + 1
        self._statistics = SnapshotterStatistics(
            count, self._statistics.failed, height, seconds
        )
