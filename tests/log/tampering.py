"""A log that somebody changes by hand, as checks have to find out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from tests.history import commit_blocks
from trio_stream.log.file import FILE_NAME
from trio_stream.log.writer import CommitLog

BLOCKS = 12


def written(home: Path, blocks: int = BLOCKS) -> Path:
    """The closed file of a log with this many blocks of the history."""
    with CommitLog.open(home) as log:
        commit_blocks(log, blocks)
    return home / FILE_NAME


def tamper(path: Path, *statements: str, **bindings: object) -> None:
    """Execute these on the file."""
    database = apsw.Connection(str(path))
    for sql in statements:
        database.execute(sql, bindings)
    database.close()


def edit(path: Path, sql: str, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes that `sql` selects with their position, in `bodies`."""
    database = apsw.Connection(str(path))
    ((position, raw),) = database.execute(sql).fetchall()
    assert isinstance(raw, bytes)
    changed = change(raw)
    assert changed != raw
    database.execute(
        "UPDATE bodies SET raw = ? WHERE position = ?", (changed, position)
    )
    database.close()
