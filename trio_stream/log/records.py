"""What an import can read, told apart by what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from trio_stream.ledger.block import Chain
from trio_stream.ledger.recorded import RecordedBlock
from trio_stream.log.dump import Dump
from trio_stream.log.dump_files import is_archive
from trio_stream.log.export_file import ExportFile
from trio_stream.log.writer import CommitLog


class Record(Protocol):
    """A chain that is recorded elsewhere; `NotAsRecorded` where it can't be read."""

    chain: Chain
    height: int
    """Of its last block."""
    transactions: int
    """How many there will be, for whoever waits."""
    digest: str
    """What the record says after its last block; empty if it says nothing."""

    def blocks(self) -> Iterator[RecordedBlock]:
        """All blocks, in order."""
        ...

    def compare(self, log: CommitLog) -> None:
        """Raise `NotAsRecorded` if the log differs from what else is recorded, up to its tip."""
        ...

    def close(self) -> None:
        """Let go of all files."""
        ...


def open_record(source: Path, room: Path) -> Record:
    """What is recorded in this file or directory; `room` is a directory for temporary files.

    Raises `NotAsRecorded`.
    """
    if source.is_dir() or is_archive(source):
        return Dump(source, room)
    return ExportFile(source)
