"""Exports of a log: one file that any release can read, made while the daemon writes to the log.

A backup is the log itself, as this release keeps it; an export says what happened, and whoever
imports it works out everything else again. From logs that agree it is the same file, byte for byte,
if they know the same times and refusals.
"""

from __future__ import annotations

import gzip
import heapq
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trio_stream.ledger.block import RefusedTransaction
from trio_stream.ledger.digest import ChainDigest
from trio_stream.ledger.recorded import RecordedBlock
from trio_stream.log.blocks import StoredBlock, extent, stored_blocks
from trio_stream.log.copy import Progress
from trio_stream.log.digest import add_stored
from trio_stream.log.errors import LogDamaged, LogExists, translated
from trio_stream.log.export_lines import Lines
from trio_stream.log.file import open_log, sync_directory

_LEVEL: Final = 6
"""Of compression. Higher ones take several times as long for a few percent."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds."""

    chain_id: str
    first: int
    height: int
    transactions: int
    digest: str
    size: int
    """In bytes."""


def export(
    path: Path,
    target: Path,
    *,
    height: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Write the log at `path`, up to the block of this height or the newest one, to a new file.

    Durable on return. `progress` gets numbers of transactions. Raises `CommitLogError`: `LogExists`
    if there is such a file, `NoSuchBlock` if there is no such block.
    """
    if os.path.lexists(target):
        raise LogExists("write", target, "there is such a file")
    with translated("export", path), closing(open_log(path, "export")) as log, log:
        found = extent(log, path, height)
        digest = ChainDigest(found.chain)
        with _new_file(target) as out:
            lines = Lines(out.write)
            lines.chain(found.chain, found.last, found.transactions)
            done = 0
            for block in stored_blocks(log, path, found):
                add_stored(digest, block, path)
                lines.block(_recorded(block, path))
                done += len(block.accepted)
                progress(done, found.transactions)
            lines.end(digest.hexdigest())
    return Exported(
        found.chain.chain_id,
        found.chain.initial_height,
        found.last,
        done,
        digest.hexdigest(),
        target.stat().st_size,
    )


@contextmanager
def _new_file(target: Path) -> Iterator[gzip.GzipFile]:
    """A compressed file, which has its name when all of it is on disk."""
    with translated("write", target):
        number, name = tempfile.mkstemp(".partial", f"{target.name}.", target.parent)
        partial = Path(name)
        try:
            with open(number, "wb") as disk:
                # Neither the time nor the name is in it, so the same log makes the same file.
                with gzip.GzipFile("", "wb", _LEVEL, disk, mtime=0) as out:
                    yield out
                disk.flush()
                os.fsync(disk.fileno())
            _name(partial, target)
            sync_directory(target.parent)
        finally:
            partial.unlink(missing_ok=True)


def _name(partial: Path, target: Path) -> None:
    try:
        # Unlike a rename, this replaces nothing that has got the name meanwhile.
        os.link(partial, target)
    except OSError:
        if os.path.lexists(target):
            raise LogExists("write", target, "there is such a file") from None
        partial.rename(target)  # this file system has no links


def _recorded(block: StoredBlock, path: Path) -> RecordedBlock:
    accepted: Iterator[tuple[int, bytes | RefusedTransaction]] = iter(block.accepted)
    refused = ((each.index, each) for each in block.refused)
    both = [*heapq.merge(accepted, refused, key=lambda each: each[0])]
    if [index for index, _ in both] != [*range(len(both))]:
        cause = f"the indexes of block {block.height}'s transactions have gaps"
        raise LogDamaged("export", path, cause)
    contents = [each for _, each in both]
    return RecordedBlock(
        block.height, block.time, block.app_hash, contents, block.begins
    )
