"""Making a snapshot beside a daemon that commits.

Rows of a log are only ever added, so what it held at a height can be read at any later time, a few
rows at once: no read lasts, and the write-ahead log can start over meanwhile. The work is done in a
thread of low priority, which rests as long as it works, since it shares the interpreter with what
commits; and each chunk is on disk before the next is made, so that a block's sync does not have to
wait for all of them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Final

import apsw

from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.ledger.block import Chain
from trio_stream.log.copy import SPARE
from trio_stream.log.errors import LogDamaged
from trio_stream.log.file import open_for_reading
from trio_stream.log.judges import step_back
from trio_stream.log.rows import Row, position_key, rows, stored_chain
from trio_stream.log.snapshot_chunks import ChunkWriter, pack
from trio_stream.log.snapshot_files import write_chunk
from trio_stream.log.snapshot_head import (
    MAX_CHUNKS,
    Head,
    Move,
    SnapshotError,
    describe,
)
from trio_stream.stream.position import END_OF_BLOCK

PIECE: Final = 0.0005
"""Seconds of work before a rest, at least: far less than a Commit takes."""
_BLOCKS: Final = 200
_ROWS: Final = 32
"""In one read: together they are no larger than a block of the engine."""

Stopping = Callable[[], bool]


class Making:
    """Makes the chunks of one snapshot, in a directory that is there."""

    def __init__(
        self,
        path: Path,
        height: int,
        directory: Path,
        *,
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._height = height
        self._directory = directory
        self._now = now
        self._sleep = sleep
        self._began = now()
        self._size = 0
        self._digests: list[bytes] = []
        self._app_hash = ""

    def run(self, stopping: Stopping) -> Snapshot | None:
        """Make them; returns the description, or None if `stopping` became true."""
        with ThreadPoolExecutor(1, "snapshot", step_back) as thread:
            try:
                return thread.submit(self._make, stopping).result()
            except SnapshotError as error:
                raise LogDamaged("read", self._path, error) from error

    def _make(self, stopping: Stopping) -> Snapshot | None:
        self._began = self._now()
        with closing(open_for_reading(self._path)) as log:
            chain = stored_chain(log)
            if chain is None:
                raise LogDamaged("read", self._path, "it has no chain")
            writer = ChunkWriter(chain.initial_height)
            for _ in self._add_all(log, chain, writer):
                if stopping():
                    return None
                for chunk in writer.take():
                    self._keep(chunk)
                self._rest()
            for chunk in writer.end():
                self._keep(chunk)
            moves = _moves(log, self._height)
        head = Head(
            chain, moves, self._height, self._app_hash, self._size, self._digests
        )
        return describe(head)

    def _add_all(
        self, log: apsw.Connection, chain: Chain, writer: ChunkWriter
    ) -> Iterator[None]:
        """Add all blocks, and yield after every few rows."""
        for height, *moment, app_hash in self._blocks(log, chain.initial_height):
            writer.add_block(*moment)
            self._app_hash = app_hash
            span = position_key(height, 0), position_key(height, END_OF_BLOCK)
            accepted = _paged(log, "bodies", "position, raw", *span)
            columns = "position, sha256, transaction_id, error, reason"
            refused = _paged(log, "refused", columns, *span)
            for count, (_, *values) in enumerate(
                merge(accepted, refused, key=itemgetter(0)), 1
            ):
                if len(values) == 1:
                    writer.add_transaction(*values)
                else:
                    writer.add_refused(*values)
                if count % _ROWS == 0:
                    yield
            yield

    def _blocks(self, log: apsw.Connection, first: int) -> Iterator[Row]:
        sql = (
            "SELECT height, seconds, nanos, app_hash FROM blocks"
            " WHERE height >= ? AND height <= ? ORDER BY height LIMIT ?"
        )
        due = first
        while due <= self._height:
            found = rows(log, sql, due, self._height, _BLOCKS)
            for block in found:
                if block[0] != due:
                    break
                yield block
                due += 1
            else:
                if found:
                    continue
            raise LogDamaged("read", self._path, f"block {due} is missing")

    def _keep(self, chunk: bytes) -> None:
        index = len(self._digests)
        if index == MAX_CHUNKS:
            raise OSError(errno.EFBIG, "the log is too large for a snapshot")
        self._size += len(chunk)
        self._digests.append(hashlib.sha256(chunk).digest())
        packed = pack(chunk)
        if shutil.disk_usage(self._directory).free < len(packed) + SPARE:
            # What is left is for blocks.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._directory))
        write_chunk(self._directory, index, packed)

    def _rest(self) -> None:
        worked = self._now() - self._began
        if worked >= PIECE:
            self._sleep(worked)
            self._began = self._now()


def _moves(log: apsw.Connection, height: int) -> list[Move]:
    sql = "SELECT * FROM moves WHERE initial_height <= ? ORDER BY 1"
    return [Move(*each) for each in rows(log, sql, height)]


def _paged(
    log: apsw.Connection, table: str, columns: str, first: int, last: int
) -> Iterator[Row]:
    """The rows of these positions, read a few at a time."""
    sql = (
        f"SELECT {columns} FROM {table} WHERE position BETWEEN ? AND ?"
        " ORDER BY position LIMIT ?"
    )
    while True:
        found = rows(log, sql, first, last, _ROWS)
        yield from found
        if len(found) < _ROWS:
            return
        first = found[-1][0] + 1
