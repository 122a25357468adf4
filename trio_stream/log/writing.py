"""The writing end of a log's file, whatever its tables: one connection, and the hold on its home.

It is blocking, and used by one thread at a time. `transaction` is how everything is written: after
it the file holds all that was written in it, after a crash at any instant all or nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import apsw

from trio_stream.log.errors import LogReplaced, translated
from trio_stream.log.file import (
    FILE_NAME,
    NODE,
    Format,
    Migrations,
    check,
    lock_directory,
    open_for_writing,
    prepare,
    run,
    sync_directory,
)
from trio_stream.log.others import WRITE_SECONDS, OpenFiles, Patience

Execute = Callable[..., Any]


class WritingEnd:
    """The writing end of a data directory; `open` makes one, `close` releases it."""

    def __init__(
        self, path: Path, connection: apsw.Connection, resources: ExitStack
    ) -> None:
        self.path = path
        self.connection = connection
        self.wal_bytes = 0
        """Bytes in the write-ahead log since it last started over."""
        self.between_blocks = threading.Lock()
        """Held during a transaction; whoever else holds it keeps those waiting."""
        self._resources = resources
        self._files = OpenFiles(path)
        page_size = int(connection.pragma("page_size"))

        def measure(connection: apsw.Connection, schema: str, pages: int) -> int:
            self.wal_bytes = pages * page_size
            return apsw.SQLITE_OK

        connection.set_wal_hook(measure)

    @classmethod
    def open(cls, home: Path, migrations: Migrations, *, format: Format = NODE) -> Self:
        """Open the log of the data directory `home`, creating both if they are missing.

        Raises `CommitLogError`: `LogInUse` if another process uses it.
        """
        path = home / FILE_NAME
        with ExitStack() as stack:
            with translated("open", home):
                if not home.is_dir():
                    home.mkdir(parents=True)
                    sync_directory(home.parent)
                stack.callback(os.close, lock_directory(home))
            with translated("open", path):
                patience = Patience(path)
                connection = open_for_writing(path, patience)
                stack.callback(connection.close)
                prepare(connection, path, migrations, format=format)
                # For what a crash left in the write-ahead log.
                run(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
                check(connection, path)
                patience.seconds = WRITE_SECONDS
            return cls(path, connection, stack.pop_all())

    def close(self) -> None:
        """Release the file and the directory; what was committed is already durable."""
        with translated("close", self.path):
            self._resources.close()

    @contextmanager
    def transaction(self, operation: str) -> Iterator[Execute]:
        """One transaction, durable once the block ends; nothing of it is kept if that raises."""
        with self.between_blocks, translated(operation, self.path):
            self.fail_if_lost(operation)
            run(self.connection, "BEGIN IMMEDIATE")
            try:
                yield self.connection.execute
                run(self.connection, "COMMIT")
            except BaseException:
                # After some errors, such as a full disk, SQLite has rolled back by itself.
                if self.connection.in_transaction:
                    run(self.connection, "ROLLBACK")
                raise

    def fail_if_lost(self, operation: str) -> None:
        """Raise `LogReplaced` if the file is no longer the one in the directory."""
        if lost := self._files.lost():
            raise LogReplaced(operation, self.path, lost)
