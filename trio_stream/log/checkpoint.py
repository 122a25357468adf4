"""Keeps the write-ahead log short: moves what it holds into the database, between blocks.

A commit only appends to the write-ahead log. At some point its contents must be copied to their
places in the database; SQLite then starts it over at the first commit during which nobody reads.
Left to itself, SQLite copies during a commit; here a task does so at other times, on its own
connection. If reads always overlap, the second step never happens and the write-ahead log grows
with everything that is written, so above a limit readers are paused for the moment that it takes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import apsw
import trio

from trio_stream.log.connections import RunSync
from trio_stream.log.errors import translated
from trio_stream.log.file import WAL_LIMIT, open_for_checkpoints

logger = logging.getLogger(__name__)

STEP: Final = 8 << 20
"""Bytes of write-ahead log from one copy to the next. A page that several commits changed is copied
once, so larger steps mean less to write, and smaller ones less to do at once."""


class Written(Protocol):
    """A log with a writer of its own; `CommitLog` is one."""

    @property
    def path(self) -> Path: ...

    @property
    def wal_bytes(self) -> int:
        """Bytes in the write-ahead log since it last started over."""
        ...

    @property
    def between_blocks(self) -> AbstractContextManager[object]:
        """Held while a block is written."""
        ...


class Pausable(Protocol):
    """Readers that can be paused; `LogReader` is one."""

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Hold up new reads, once all that are in progress have finished."""
        ...


class Checkpointer:
    """One task of the daemon's nursery; whoever announces commits also calls `committed`."""

    def __init__(
        self,
        log: Written,
        readers: Pausable,
        *,
        run_sync: RunSync = trio.to_thread.run_sync,
        step: int = STEP,
        limit: int = WAL_LIMIT,
    ) -> None:
        self._log = log
        self._readers = readers
        self._run_sync = run_sync
        self._step = step
        self._limit = limit
        self._size = 0
        self._reported = 0
        """Size of the write-ahead log at the latest warning; the next comes when it has doubled."""
        self._due = step
        self._wake = trio.Event()
        self._limiter = trio.CapacityLimiter(1)

    def committed(self) -> None:
        """Note that a block was committed; cheap unless there is something to do."""
        size = self._log.wal_bytes
        if size < self._size:
            # It has started over.
            self._due = self._step
        self._size = size
        if size >= self._due:
            self._due = size + self._step
            self._wake.set()

    async def run(
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Work until `stop` is set. Raises `CommitLogError` if the disk fails."""
        with translated("open", self._log.path):
            connection = open_for_checkpoints(self._log.path)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._work, connection)
                task_status.started()
                await stop.wait()
                nursery.cancel_scope.cancel()
        finally:
            connection.close()

    async def _work(self, connection: apsw.Connection) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await self._run(partial(self._copy, connection))
            if self._log.wal_bytes >= self._limit:
                # Most is copied; the rest holds up readers and writer for milliseconds.
                async with self._readers.paused():
                    await self._run(partial(self._copy, connection))
                    await self._run(partial(self._start_over, connection))

    async def _run(self, work: Callable[[], None]) -> None:
        await self._run_sync(work, limiter=self._limiter)

    def _copy(self, connection: apsw.Connection) -> None:
        with translated("checkpoint", self._log.path):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _start_over(self, connection: apsw.Connection) -> None:
        with self._log.between_blocks, translated("checkpoint", self._log.path):
            try:
                # A program that has read an old state for so long is not about to end, and blocks
                # need not wait for it.
                if self._left(connection) <= self._step:
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
                    self._reported = 0
                    return
            except apsw.BusyError:
                pass
        if self._log.wal_bytes >= 2 * self._reported:
            self._reported = self._log.wal_bytes
            logger.warning(
                "another program reads %s all the time (trio-stream backup does while it copies),"
                " so its write-ahead log keeps growing: it has %d MiB",
                self._log.path,
                self._reported >> 20,
            )

    def _left(self, connection: apsw.Connection) -> int:
        """Bytes of the write-ahead log that could not be copied yet."""
        frames, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        return (frames - copied) * int(connection.pragma("page_size"))
