"""The commit log's file: how connections to it are opened, and its schema's version.

`log.writer` and `log.reader` open their connections here. Errors of SQLite are left as they are:
callers translate them (`log.errors.translated`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from trio_stream.log.errors import (
    LogDamaged,
    LogFromNewerVersion,
    LogFromOlderVersion,
    LogInUse,
    LogMissing,
    LogNotDirectory,
    LogOfOtherKind,
)
from trio_stream.log.others import Patience

logger = logging.getLogger(__name__)

FILE_NAME: Final = "log.db"
SCHEMA: Final = Path(__file__).parent / "schema.sql"
VIEWS: Final = Path(__file__).parent / "views.sql"
SCHEMA_VERSION: Final = 4

Migrations = Mapping[int, Callable[[apsw.Connection], None]]
"""For each schema version, what converts the tables of such a file to the next version."""

APPLICATION_ID: Final = int.from_bytes(b"tris")
"""Marks the file as a node's log, for us and for the program `file`."""
FOLLOWED_ID: Final = int.from_bytes(b"trif")
"""Marks it as a follower's log."""

_OWNERS: Final = {
    APPLICATION_ID: "it is a node's log (`run`)",
    FOLLOWED_ID: "it is a follower's log (`follow`)",
}


@dataclass(frozen=True, slots=True)
class Format:
    """What the tables in a file are, and how that is recognised."""

    application_id: int
    version: int
    schema: Path
    views: Path


NODE: Final = Format(APPLICATION_ID, SCHEMA_VERSION, SCHEMA, VIEWS)
"""The log of a node of ours."""

WAL_LIMIT: Final = 64 << 20
"""Bytes of write-ahead log above which readers are paused so that it can start over."""

BUSY_MILLISECONDS: Final = 10_000

MAP_LIMIT: Final = 1 << 40
"""Bytes of the database in a reader's address space. They are the system's page cache and take no
memory of ours; SQLite's own cache is emptied by every block that is committed."""

CHECK_SECONDS: Final = 5.0
"""How long a start looks for damage; SQLite checks about a gigabyte per second."""

_CHECK_STEPS = 1_000  # of SQLite, between two looks at the clock

CHECKPOINT_MILLISECONDS: Final = 20
"""How long a checkpoint that blocks the writer waits for a reader in another process."""

WRITER_CACHE_KIB: Final = 64 * 1024
"""Indexes by id and key are written at random places; pages that fit here are not read again."""


def run(connection: apsw.Connection, sql: str) -> None:
    """Execute all statements of `sql`; apsw alone would stop at the first that returns a row."""
    for _ in connection.execute(sql):
        pass


def value(connection: apsw.Connection, sql: str) -> object:
    """The first column of the first row."""
    return next(iter(connection.execute(sql)))[0]


def open_for_writing(path: Path, patience: Patience | None = None) -> apsw.Connection:
    """The writing connection: durable on commit, checkpoints are `log.checkpoint`'s."""
    connection = apsw.Connection(str(path))
    connection.set_busy_handler(patience or Patience(path))
    run(
        connection,
        f"""
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA journal_size_limit = {WAL_LIMIT};
        PRAGMA cache_size = -{WRITER_CACHE_KIB};
        PRAGMA temp_store = MEMORY;
        """,
    )
    return connection


def open_for_reading(path: Path, *, mapped: bool = False) -> apsw.Connection:
    """A read-only connection; if `mapped`, it does not copy what it reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    if mapped:
        value(connection, f"PRAGMA mmap_size = {MAP_LIMIT}")
    return connection


def open_log(
    path: Path, operation: str, *, formats: Sequence[Format] = (NODE,)
) -> apsw.Connection:
    """The read-only connection of a command, to a file that must be a log of this release."""
    if not path.exists():
        raise LogMissing(operation, path, "there is no such file")
    if path.is_dir():
        raise LogNotDirectory(operation, path, "it is a directory")
    connection = open_for_reading(path)
    try:
        recognise(connection, path, operation, formats)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_checkpoints(path: Path) -> apsw.Connection:
    """A connection that copies the write-ahead log into the database while the writer goes on."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(CHECKPOINT_MILLISECONDS)
    # Until its first read a connection does not know the write-ahead log, and copies nothing.
    value(connection, "SELECT count(*) FROM sqlite_schema")
    return connection


def prepare(
    connection: apsw.Connection,
    path: Path,
    migrations: Migrations,
    *,
    format: Format = NODE,
) -> None:
    """Create the schema in a new file, migrate an older one, refuse any other.

    All steps are one transaction: after a crash the file is as it was, or has the format's version.
    """
    version = format.version
    with connection:
        found = value(connection, "PRAGMA user_version")
        assert isinstance(found, int)
        if found == 0 and value(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            run(connection, format.schema.read_text(encoding="utf-8"))
            run(connection, format.views.read_text(encoding="utf-8"))
            run(connection, f"PRAGMA application_id = {format.application_id}")
            found = version
        else:
            other = "it is another program's database"
            _one_of((format,), connection, path, "open", other)
        if found > version:
            raise LogFromNewerVersion(
                "open", path, f"its schema has version {found}, ours is {version}"
            )
        if found < version:
            for step in range(found, version):
                migrations[step](connection)
            _renew_views(connection, format.views)
        run(connection, f"PRAGMA user_version = {version}")


def recognise(
    connection: apsw.Connection,
    path: Path,
    operation: str,
    formats: Sequence[Format] = (NODE,),
) -> Format:
    """Which of these it is; raises a `CommitLogError` unless it is a log of this release."""
    other = "it is not a commit log"
    format = _one_of(formats, connection, path, operation, other)
    found = value(connection, "PRAGMA user_version")
    assert isinstance(found, int)
    if found != format.version:
        error = LogFromNewerVersion if found > format.version else LogFromOlderVersion
        cause = f"its schema has version {found}, ours is {format.version}"
        raise error(operation, path, cause)
    return format


def _one_of(
    formats: Sequence[Format],
    connection: apsw.Connection,
    path: Path,
    operation: str,
    other: str,
) -> Format:
    found = value(connection, "PRAGMA application_id")
    for format in formats:
        if found == format.application_id:
            return format
    if isinstance(found, int) and found in _OWNERS:
        raise LogOfOtherKind(operation, path, _OWNERS[found])
    raise LogDamaged(operation, path, other)


def _renew_views(connection: apsw.Connection, views: Path) -> None:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'view'"
    for (name,) in connection.execute(sql).fetchall():
        run(connection, f"DROP VIEW {name}")
    run(connection, views.read_text(encoding="utf-8"))


def check(connection: apsw.Connection, path: Path) -> None:
    """Look for damage, for `CHECK_SECONDS` at most. Raises `LogDamaged`.

    Damage beyond that is found, and ends the process, when it is read.
    """
    give_up = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > give_up, _CHECK_STEPS)
    try:
        said = value(connection, "PRAGMA quick_check(1)")
    except apsw.InterruptError:
        logger.info(
            "%s is large: only a part of it could be checked in %g s",
            path,
            CHECK_SECONDS,
        )
    else:
        if said != "ok":
            raise LogDamaged("check", path, said)
    finally:
        connection.set_progress_handler(None)


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def holder_of(home: Path) -> int | None:
    """The process that holds `home`; None if there is none.

    Raises OSError if that cannot be found out.
    """
    try:
        descriptor = os.open(home / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        number = os.read(descriptor, 200).split(b" ")[0]
        return int(number) if number.isdigit() else None
    finally:
        os.close(descriptor)
    return None


def lock_directory(home: Path) -> int:
    """Hold `home` until the descriptor is closed; the lock dies with the process.

    Raises `LogInUse`, which names the process that holds it.
    """
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        os.close(descriptor)
        raise LogInUse("open", home, f"it belongs to process {holder}") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()} ({' '.join(sys.argv)[:150]})\n".encode())
    return descriptor
