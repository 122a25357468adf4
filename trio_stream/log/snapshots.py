"""The snapshots that this node has: peers of the engine that join fetch them, chunk by chunk.

Each is a directory, named after its height, with a file for each chunk and one that describes it.
It is written under another name and renamed when it is complete and on disk, so a crash leaves
nothing that could be taken for one; the next start removes what it left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.log.errors import translated
from trio_stream.log.file import sync_directory
from trio_stream.log.rows import row, stored_chain
from trio_stream.log.snapshot_files import (
    read_chunk,
    read_description,
    remove,
    write_description,
)
from trio_stream.log.snapshot_head import SnapshotError, read_head
from trio_stream.log.snapshot_making import Making
from trio_stream.log.writer import CommitLog

logger = logging.getLogger(__name__)

DIRECTORY: Final = "snapshots"
"""In the data directory."""
MOST: Final = 10
"""Engines pass on no more."""


class Snapshots:
    """The snapshots in a data directory, of which the newest `keep` stay.

    Snapshots may be made in one thread and served in another. What the disk refuses is logged, and
    then there is nothing to serve.
    """

    def __init__(self, log: CommitLog, *, keep: int) -> None:
        self._log = log
        self._keep = keep
        self._directory = log.path.with_name(DIRECTORY)
        self._found: tuple[Snapshot, ...] = ()
        try:
            self._found = tuple(self._look())
        except OSError as error:
            logger.error("%s can't be read: %s", self._directory, error)

    def available(self) -> Sequence[Snapshot]:
        """Those that a peer can have, the newest first."""
        return self._found[:MOST]

    def chunk(self, height: int, format: int, index: int) -> bytes:
        """A chunk as peers get it; empty if there is none."""
        if not any(
            (each.height, each.format) == (height, format) and 0 <= index < each.chunks
            for each in self._found
        ):
            return b""
        try:
            return read_chunk(self._place(height), index)
        except FileNotFoundError:
            # It was one too many.
            return b""
        except OSError as error:
            logger.error("chunk %d of snapshot %d: %s", index, height, error)
            return b""

    def make(self, height: int, stopping: Callable[[], bool]) -> Snapshot | None:
        """Make a snapshot; None if `stopping` became true.

        Raises `CommitLogError` or `OSError`, and then nothing is left of it.
        """
        place = self._place(height)
        if any(each.height == height for each in self._found):
            return None
        partial = place.with_name(f"{place.name}.partial")
        self._directory.mkdir(exist_ok=True)
        remove(partial)
        partial.mkdir()
        try:
            with translated("make a snapshot of", self._log.path):
                making = Making(self._log.path, height, partial)
                snapshot = making.run(stopping)
            if snapshot is None:
                return None
            write_description(partial, snapshot)
            sync_directory(partial)
            partial.rename(place)
            sync_directory(self._directory)
        finally:
            remove(partial)
        self._found = (snapshot, *self._found)
        self._forget(self._keep)
        return snapshot

    def _forget(self, keep: int) -> None:
        extra, self._found = self._found[keep:], self._found[:keep]
        for each in extra:
            remove(self._place(each.height))

    def _look(self) -> Iterator[Snapshot]:
        if not self._directory.is_dir():
            return
        found = []
        for place in self._directory.iterdir():
            snapshot = read_description(place)
            if snapshot is None or place.name != str(snapshot.height):
                remove(place)
            elif self._is_ours(snapshot):
                found.append(snapshot)
            else:
                logger.warning("%s is not of this log: it is removed", place)
                remove(place)
        found.sort(reverse=True)
        for each in found[self._keep :]:
            remove(self._place(each.height))
        yield from found[: self._keep]

    def _is_ours(self, snapshot: Snapshot) -> bool:
        """Whether the log holds its last block; another one may have been put in place."""
        try:
            head = read_head(snapshot)
        except SnapshotError:
            return False
        with translated("read", self._log.path):
            connection = self._log.connection
            sql = "SELECT app_hash FROM blocks WHERE height = ?"
            return head.chain == stored_chain(connection) and (
                row(connection, sql, head.height) == (head.app_hash,)
            )

    def _place(self, height: int) -> Path:
        return self._directory / str(height)
