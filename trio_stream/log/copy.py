"""Copies of a log, page by page, of one state, while blocks may be committed.

SQLite copies what one read transaction sees. The copy goes at a limited speed, and after each piece
it waits until the disk has it: a block's sync would otherwise have to wait for all that was written
to the same disk. The copy is a single file in the usual journal mode, so it can be read anywhere;
the daemon switches it to a write-ahead log when it opens it. Until it is complete and on disk it
has another name.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from trio_stream.log.errors import LogOutOfSpace, translated
from trio_stream.log.file import run, sync_directory

PIECE: Final = 1 << 20
"""Bytes between two looks at the clock: a few milliseconds of a disk."""
SPARE: Final = 64 << 20
"""Bytes that a copy leaves free, for the blocks that are committed meanwhile."""
_CACHE_KIB: Final = 1024

Progress = Callable[[int, int], None]
"""Called with the bytes that are copied, and with all that are to be."""


def copy_log(
    source: apsw.Connection,
    target: Path,
    *,
    bytes_per_second: float,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write what `source` sees into the new file `target`, durable on return.

    `source` must be in a read transaction. Raises `LogOutOfSpace` before it writes anything.
    """
    page_size = int(source.pragma("page_size"))
    size = page_size * int(source.pragma("page_count"))
    _find_room(target, size)
    partial = target.with_name(f"{target.name}.partial")
    with translated("copy to", partial):
        partial.unlink(missing_ok=True)
        try:
            with closing(apsw.Connection(str(partial))) as copy:
                run(copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
                run(copy, f"PRAGMA cache_size = -{_CACHE_KIB}")
                disk = os.open(partial, os.O_RDWR)
                try:
                    with copy.backup("main", source, "main") as backup:
                        while not backup.done:
                            began = time.monotonic()
                            backup.step(PIECE // page_size)
                            os.fdatasync(disk)
                            left = page_size * backup.remaining
                            progress(size - left, size)
                            pause = PIECE / bytes_per_second
                            sleep(max(0.0, began + pause - time.monotonic()))
                    run(copy, "PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE")
                    os.fsync(disk)
                finally:
                    os.close(disk)
            partial.rename(target)
            sync_directory(target.parent)
        finally:
            partial.unlink(missing_ok=True)


def _find_room(target: Path, size: int) -> None:
    with translated("write", target):
        free = shutil.disk_usage(target.parent).free
    if free < size + SPARE:
        raise LogOutOfSpace(
            "write",
            target,
            f"{size:,} bytes and {SPARE >> 20} MiB to spare are needed, and {free:,} bytes"
            " are free",
        )
