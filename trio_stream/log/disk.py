"""How much room the log takes and has left, and whether it can be written to.

Nothing is written, and nothing is opened: whoever closes a file loses the locks that the whole
process holds on it, SQLite's among them. A disk that does not answer keeps one thread, not the
caller.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple, cast

import trio

from trio_stream.log.connections import RunSync
from trio_stream.log.others import OpenFiles

PATIENCE: Final = 5.0
"""Seconds for the disk to answer."""


class DiskUsage(NamedTuple):
    """What `Disk.usage` finds. Sizes in bytes."""

    log: int
    write_ahead: int
    """The write-ahead log's file, which keeps its size when it starts over."""
    free: int
    """What this process may still write on the disk of the log."""
    trouble: str
    """Why the log can't be written to; empty if it can."""


class Disk:
    """The files of an open log."""

    def __init__(
        self, path: Path, *, run_sync: RunSync = trio.to_thread.run_sync
    ) -> None:
        self._path = path
        self._files = OpenFiles(path)
        self._run_sync = run_sync
        self._limiter = trio.CapacityLimiter(1)

    async def usage(self) -> DiskUsage | None:
        """Ask the system; None if it does not answer."""
        with trio.move_on_after(PATIENCE):
            found = await self._run_sync(
                self._look, limiter=self._limiter, abandon_on_cancel=True
            )
            return cast(DiskUsage, found)
        return None

    def _look(self) -> DiskUsage:
        try:
            disk = os.statvfs(self._path)
            free = disk.f_bavail * disk.f_frsize
            write_ahead = self._path.with_name(f"{self._path.name}-wal")
            log, ahead = (_size(place) for place in (self._path, write_ahead))
            trouble = self._files.lost()
            if not trouble and disk.f_flag & os.ST_RDONLY:
                trouble = "its file system is mounted read-only"
            return DiskUsage(log, ahead, free, trouble)
        except OSError as error:
            return DiskUsage(0, 0, 0, f"{self._path.name}: {error.strerror}")


def _size(place: Path) -> int:
    try:
        return os.stat(place).st_size
    except FileNotFoundError:
        return 0
