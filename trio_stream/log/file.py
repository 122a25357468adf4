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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import apsw

from trio_stream.log.errors import LogDamaged, LogFromNewerVersion, LogInUse
from trio_stream.log.others import Patience

logger = logging.getLogger(__name__)

FILE_NAME: Final = "log.db"
SCHEMA: Final = Path(__file__).parent / "schema.sql"
VIEWS: Final = Path(__file__).parent / "views.sql"
SCHEMA_VERSION: Final = 2

Migrations = Mapping[int, Callable[[apsw.Connection], None]]
"""What takes the tables of a file of this schema version to the next one."""

APPLICATION_ID: Final = int.from_bytes(b"tris")
"""Marks the file as ours, for us and for `file`."""

WAL_LIMIT: Final = 64 << 20
"""Bytes of write-ahead log above which readers are held up to begin it anew."""

BUSY_MILLISECONDS: Final = 10_000

MAP_LIMIT: Final = 1 << 40
"""Bytes of the database in a reader's address space. They are the system's page cache and take no
memory of ours; a cache of SQLite's own is emptied by every block that is committed."""

CHECK_SECONDS: Final = 5.0
"""How long a start looks for damage; SQLite looks through a gigabyte a second."""

_CHECK_STEPS = 1_000  # of SQLite, between two looks at the clock

CHECKPOINT_MILLISECONDS: Final = 50
"""How long a checkpoint that keeps the writer out waits for a reader in another process."""

WRITER_CACHE_KIB: Final = 64 * 1024
"""Indexes by id and key are written at random places; what fits here is not read again."""


def run(connection: apsw.Connection, sql: str) -> None:
    """Execute all statements of `sql`; apsw alone would stop at the first that gives a row."""
    for _ in connection.execute(sql):
        pass


def value(connection: apsw.Connection, sql: str) -> object:
    """The first column of the first row."""
    return next(iter(connection.execute(sql)))[0]


def open_for_writing(path: Path, patience: Patience | None = None) -> apsw.Connection:
    """The writing connection: durable on commit, checkpoints left to `log_checkpoint`."""
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
    """A connection that can't change anything; `mapped`: it does not copy what it reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    if mapped:
        value(connection, f"PRAGMA mmap_size = {MAP_LIMIT}")
    return connection


def open_for_checkpoints(path: Path) -> apsw.Connection:
    """A connection that copies the write-ahead log into the database beside the writer."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(CHECKPOINT_MILLISECONDS)
    # Before its first read a connection does not know of the write-ahead log, and copies nothing.
    value(connection, "SELECT count(*) FROM sqlite_schema")
    return connection


def prepare(
    connection: apsw.Connection,
    path: Path,
    migrations: Migrations,
    *,
    version: int = SCHEMA_VERSION,
) -> None:
    """Make the schema in a new file, migrate an older one, refuse any other.

    All steps are one transaction: after a crash the file is as it was, or of `version`.
    """
    with connection:
        found = value(connection, "PRAGMA user_version")
        assert isinstance(found, int)
        if found == 0 and value(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            run(connection, SCHEMA.read_text(encoding="utf-8"))
            run(connection, VIEWS.read_text(encoding="utf-8"))
            run(connection, f"PRAGMA application_id = {APPLICATION_ID}")
            found = SCHEMA_VERSION
        elif value(connection, "PRAGMA application_id") != APPLICATION_ID:
            raise LogDamaged("open", path, "it is another program's database")
        if found > version:
            raise LogFromNewerVersion(
                "open", path, f"its schema has version {found}, ours is {version}"
            )
        if found < version:
            for step in range(found, version):
                migrations[step](connection)
            _renew_views(connection)
        run(connection, f"PRAGMA user_version = {version}")


def _renew_views(connection: apsw.Connection) -> None:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'view'"
    for (name,) in connection.execute(sql).fetchall():
        run(connection, f"DROP VIEW {name}")
    run(connection, VIEWS.read_text(encoding="utf-8"))


def check(connection: apsw.Connection, path: Path) -> None:
    """Look for damage, for some seconds at most. Raises `LogDamaged`.

    What lies beyond that is found, and ends the process, when it is read.
    """
    give_up = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > give_up, _CHECK_STEPS)
    try:
        said = value(connection, "PRAGMA quick_check(1)")
    except apsw.InterruptError:
        logger.info(
            "%s is large: in %g s a part of it was checked", path, CHECK_SECONDS
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


def lock_directory(home: Path) -> int:
    """Hold `home` until the descriptor is closed; the lock dies with the process.

    Raises `LogInUse`, which names the process that has it.
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
