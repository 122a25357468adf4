"""Taking the newest blocks out of a log again, so that the engine delivers them anew.

An engine that starts replays whatever blocks the log lacks. So a log that went wrong at some block,
or that an engine's own `rollback` has left one block ahead, goes back to the height before it. Each
row is then as it was at that height. A copy of the log with all its blocks stays beside it, because
an engine that has lost them cannot deliver them.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from trio_stream.log.backup import back_up, kept_name
from trio_stream.log.copy import Progress
from trio_stream.log.errors import CannotRollBack, LogMissing, translated
from trio_stream.log.file import FILE_NAME, SCHEMA, run
from trio_stream.log.moves import follows_import, forget_above, mark_imported
from trio_stream.log.rows import newest_block, position_key, rows, stored_chain
from trio_stream.log.writer import CommitLog
from trio_stream.stream.position import END_OF_BLOCK
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.outline import read_outline
from trio_stream.transactions.searchable import Text, text_of

_TABLES: Final = ("transactions", "bodies", "outputs", "keys", "refused")


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback took out."""

    height_before: int
    transactions: int
    kept: Path | None
    """The copy of the log as it was."""


def roll_back(
    home: Path,
    height: int,
    *,
    keep: bool = True,
    copying: Progress = lambda done, total: None,
    removing: Progress = lambda done, total: None,
) -> RolledBack:
    """Take all blocks above `height` out of the log in `home`; durable on return.

    `copying` is called with bytes, `removing` with transactions. Raises `CommitLogError`, and then
    nothing has changed: `LogInUse` if a daemon runs, `CannotRollBack` if there is no such height,
    `LogMissing` if there is no log.
    """
    path = home / FILE_NAME
    with translated("roll back", path):
        if not path.exists():
            raise LogMissing("roll back", path, "there is no such file")
    with CommitLog.open(home) as log:
        chain, tip = stored_chain(log.connection), log.tip()
        if chain is None or tip is None:
            raise CannotRollBack("roll back", log.path, "it has no block")
        # Another chain may have gone on with the log since.
        first = chain.initial_height
        if not first - 1 <= height < tip.height:
            raise CannotRollBack(
                "roll back",
                log.path,
                f"it has the blocks {first} to {tip.height}, and so it can't go"
                f" back to {height}",
            )
        kept = None
        if keep:
            kept = kept_name(log.path)
            back_up(log.path, kept, bytes_per_second=math.inf, progress=copying)
        with translated("roll back", log.path), log.connection:
            count = _remove(log.connection, height, removing)
    return RolledBack(tip.height, count, kept)


def _remove(log: apsw.Connection, height: int, progress: Progress) -> int:
    end = position_key(height, END_OF_BLOCK)
    sql = "SELECT count(*) FROM transactions WHERE position > ?"
    ((total,),) = rows(log, sql, end)
    progress(0, total)
    words_known = _remove_words(log, end, total, progress)
    waits = follows_import(log, height)
    log.execute("UPDATE outputs SET spent_by = NULL WHERE spent_by > ?", (end,))
    for table in _TABLES:
        log.execute(f"DELETE FROM {table} WHERE position > ?", (end,))
    log.execute("DELETE FROM blocks WHERE height > ?", (height,))
    log.execute("DELETE FROM tallies WHERE height > ?", (height,))
    forget_above(log, height)
    if waits and newest_block(log) is not None:
        mark_imported(log)
    # Those in force from the first block on came with the chain.
    log.execute(
        "DELETE FROM validators"
        " WHERE height > max(?, (SELECT initial_height FROM chain))",
        (height + 1,),
    )
    if not words_known:
        _index_words(log)
    progress(total, total)
    return int(total)


def _remove_words(
    log: apsw.Connection, end: int, total: int, progress: Progress
) -> bool:
    """Take the words of what is above `end` out of their index.

    It forgets a transaction only if it is given the same words again. Returns whether that could be
    done: if bytes are missing or were edited, the words are not known.
    """
    sql = (
        "SELECT position, sha256, raw FROM transactions LEFT JOIN bodies USING (position)"
        " WHERE position > ?"
    )
    for done, (at, sha256, raw) in enumerate(log.execute(sql, (end,))):
        if raw is None or hashlib.sha256(raw).digest() != sha256:
            return False
        words = _words(raw)
        if words is not None:
            log.execute(
                "INSERT INTO texts (texts, rowid, asset, metadata)"
                " VALUES ('delete', ?, ?, ?)",
                (at, *words),
            )
        progress(done, total)
    return True


def _index_words(log: apsw.Connection) -> None:
    """Make the index of words anew."""
    run(log, "DROP TABLE texts")
    schema = SCHEMA.read_text(encoding="utf-8")
    run(log, schema[schema.index("CREATE VIRTUAL TABLE texts") :])
    for at, raw in log.execute("SELECT position, raw FROM bodies"):
        words = _words(raw)
        if words is not None:
            sql = "INSERT INTO texts (rowid, asset, metadata) VALUES (?, ?, ?)"
            log.execute(sql, (at, *words))


def _words(raw: bytes) -> Text | None:
    """What the index has of a transaction; None if that is nothing."""
    try:
        words = text_of(read_outline(raw).document)
    except ValidationError:
        # Somebody has edited it; a check says so.
        return None
    return words if any(words) else None
