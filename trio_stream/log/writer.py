"""The commit log: it makes blocks durable, and holds the state that judges the next ones.

`CommitLog` is the one writer of the file, blocking, and touched only from the state machine's
thread. `append` is one SQLite transaction that holds the block, its transactions, the state they
change and all that its events need: after a crash at any instant the file holds a whole number of
blocks. Subscribers and HTTP read through `log.reader`, on other connections.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import apsw

from trio_stream.ledger.block import (
    RULES,
    AcceptedTransaction,
    Block,
    Chain,
    Tally,
    Tip,
)
from trio_stream.log.errors import (
    LogDamaged,
    LogFromNewerVersion,
    LogReplaced,
    translated,
)
from trio_stream.log.file import (
    FILE_NAME,
    check,
    lock_directory,
    open_for_writing,
    prepare,
    run,
    sync_directory,
)
from trio_stream.log.migrations import MIGRATIONS
from trio_stream.log.others import WRITE_SECONDS, OpenFiles, Patience
from trio_stream.log.rows import Row, newest_block, position_key, stored_chain
from trio_stream.log.view import StoredView
from trio_stream.transactions.elections import Validator

_Placed = Sequence[tuple[int, AcceptedTransaction]]
"""Transactions with their positions."""


class CommitLog(StoredView):
    """The writing end of a data directory; `open` makes one, `close` releases it."""

    def __init__(
        self, path: Path, connection: apsw.Connection, resources: ExitStack
    ) -> None:
        super().__init__(connection, path)
        self.wal_bytes = 0
        """Bytes in the write-ahead log since it last started over."""
        self.between_blocks = threading.Lock()
        """Held during a commit; whoever else holds it keeps the next block waiting."""
        self._resources = resources
        self._files = OpenFiles(path)
        page_size = int(connection.pragma("page_size"))

        def measure(connection: apsw.Connection, schema: str, pages: int) -> int:
            self.wal_bytes = pages * page_size
            return apsw.SQLITE_OK

        connection.set_wal_hook(measure)

    @classmethod
    def open(cls, home: Path) -> Self:
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
                prepare(connection, path, MIGRATIONS)
                # For what a crash left in the write-ahead log.
                run(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
                check(connection, path)
                patience.seconds = WRITE_SECONDS
            return cls(path, connection, stack.pop_all())

    def close(self) -> None:
        """Release the file and the directory; what was committed is already durable."""
        with translated("close", self.path):
            self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def chain(self) -> Chain | None:
        """The chain that InitChain began."""
        with translated("read", self.path):
            chain = stored_chain(self.connection)
        if chain is not None and chain.rules != RULES:
            raise LogFromNewerVersion(
                "read",
                self.path,
                f"its chain follows rules {chain.rules}, ours are {RULES}",
            )
        return chain

    def tip(self) -> Tip | None:
        """The newest block; None before the first."""
        with translated("read", self.path):
            return newest_block(self.connection)

    def begin_chain(self, chain: Chain) -> None:
        """Store the chain, in place of one without a block; durable on return."""
        with self._transaction("begin a chain in") as execute:
            execute("DELETE FROM chain")
            execute("DELETE FROM validators")
            execute(
                "INSERT INTO chain VALUES (1, ?, ?, ?, ?, ?, ?)",
                (
                    chain.chain_id,
                    chain.rules,
                    chain.start_hash,
                    chain.initial_height,
                    *chain.genesis_time,
                ),
            )
            self._insert_validators(chain.initial_height, chain.validators)

    def append(self, block: Block) -> None:
        """Store the block and all that it changes; durable on return.

        If it raises, either nothing of the block is stored, or all of it if only the last sync
        failed: the process must end, and what it finds when it starts again is the truth.
        """
        with self._transaction(f"append block {block.height} to") as execute:
            execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
                (
                    block.height,
                    *block.time,
                    block.app_hash,
                    len(block.accepted),
                    len(block.refused),
                ),
            )
            if block.accepted:
                self._insert_accepted(block)
            if block.refused:
                self._insert_refused(block)
            if block.tallies:
                self._insert_tallies(block.height, block.tallies)
            if block.validators is not None:
                self._insert_validators(block.height + 1, block.validators)

    def _insert_accepted(self, block: Block) -> None:
        many = self.connection.executemany
        placed = [
            (position_key(block.height, each.index), each) for each in block.accepted
        ]
        many(
            "INSERT INTO transactions VALUES (?, ?, ?, ?, ?)", _transaction_rows(placed)
        )
        many(
            "INSERT INTO bodies VALUES (?, ?)", ((at, each.raw) for at, each in placed)
        )
        many("INSERT INTO outputs VALUES (?, ?, ?, ?, NULL)", _output_rows(placed))
        many("INSERT INTO keys VALUES (?, ?, ?, ?)", _key_rows(placed))
        texts = _text_rows(placed)
        many("INSERT INTO texts (rowid, asset, metadata) VALUES (?, ?, ?)", texts)
        # After the inserts, because a transaction may spend an output of its own block.
        spends = list(_spends(placed))
        before = self.connection.total_changes()
        many(
            "UPDATE outputs SET spent_by = ? WHERE output_index = ? AND spent_by IS NULL"
            " AND position = (SELECT position FROM transactions WHERE id = ?)",
            spends,
        )
        if self.connection.total_changes() - before != len(spends):
            raise LogDamaged(
                f"append block {block.height} to",
                self.path,
                "an output that the block spends does not exist, or is already spent",
            )

    def _insert_validators(self, height: int, validators: Sequence[Validator]) -> None:
        self.connection.executemany(
            "INSERT INTO validators VALUES (?, ?, ?, ?, ?)",
            ((height, place, *each) for place, each in enumerate(validators)),
        )

    def _insert_tallies(self, height: int, tallies: Sequence[Tally]) -> None:
        self.connection.executemany(
            "INSERT INTO tallies SELECT position, ?, ?, ? FROM transactions WHERE id = ?",
            (
                (height, str(each.votes), int(each.concluded), each.election_id)
                for each in tallies
            ),
        )

    def _insert_refused(self, block: Block) -> None:
        self.connection.executemany(
            "INSERT INTO refused VALUES (?, ?, ?, ?, ?)",
            (
                (
                    position_key(block.height, each.index),
                    each.sha256,
                    each.transaction_id,
                    each.error,
                    each.reason,
                )
                for each in block.refused
            ),
        )

    @contextmanager
    def _transaction(self, operation: str) -> Iterator[Any]:
        with self.between_blocks, translated(operation, self.path):
            if lost := self._files.lost():
                raise LogReplaced(operation, self.path, lost)
            run(self.connection, "BEGIN IMMEDIATE")
            try:
                yield self.connection.execute
                run(self.connection, "COMMIT")
            except BaseException:
                # After some errors, such as a full disk, SQLite has rolled back by itself.
                if self.connection.in_transaction:
                    run(self.connection, "ROLLBACK")
                raise


def _transaction_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        asset_id = each.asset_id if each.asset_id != each.id else None
        yield at, each.id, asset_id, each.operation, each.sha256


def _output_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        for index, (amount, condition_uri) in enumerate(each.outputs):
            yield at, index, amount, condition_uri


def _key_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        for public_key, output_index, stands in each.keys:
            yield public_key, at, output_index, stands


def _text_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        if any(each.text):
            yield at, *each.text


def _spends(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        for transaction_id, output_index in each.spends:
            yield at, output_index, transaction_id
