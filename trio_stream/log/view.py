"""The committed state as validation asks for it, over any connection to the log.

Each question is one prepared statement by primary key or unique index; those about elections are a
few. The questions are total: a transaction may name any text as an id and any 64-bit number as an
index, and the answer is that there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.ledger.elections import Election
from trio_stream.log.errors import LogDamaged, log_error, translated
from trio_stream.log.file import run
from trio_stream.log.rows import HEIGHT, Row, is_id, row, rows, validators_by
from trio_stream.stream.position import END_OF_BLOCK
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.rules import SpendableOutput

# In two halves, since the sum may be larger than any integer of SQLite.
_TOKENS: Final = (
    "SELECT sum(amount >> 32), sum(amount & 0xffffffff) FROM outputs WHERE position = ?"
)

# Joins take twice as long as these.
_OUTPUT: Final = (
    "position = (SELECT position FROM transactions WHERE id = ?) AND output_index = ?"
)
_SPENDER: Final = "(SELECT id FROM transactions WHERE position = spent_by)"
_NONE: Final = "", -1, None


class StoredView:
    """The committed state, as `transactions.rules` and `ledger.elections` ask for it."""

    below = MAX_HEIGHT + 1
    """Elections, votes and what they decided count if they are in blocks below this height."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.connection = connection
        """Touched by one thread at a time."""
        self.path = path
        self._is_steady = False
        self._spender_of: tuple[str, int, str | None] = _NONE
        """What spent the output that was asked for last, while nothing changes."""

    @contextmanager
    def steady(self) -> Iterator[None]:
        """All questions in the block see one state; each saves looking for a newer one."""
        with translated("read", self.path):
            run(self.connection, "BEGIN")
        self._is_steady = True
        try:
            yield
        finally:
            self._is_steady, self._spender_of = False, _NONE
            # After some errors SQLite has ended it by itself.
            if self.connection.in_transaction:
                with translated("read", self.path):
                    run(self.connection, "COMMIT")

    def has_transaction(self, transaction_id: str) -> bool:
        """Whether it is committed."""
        sql = "SELECT 1 FROM transactions WHERE id = ?"
        return self._find(sql, transaction_id) is not None

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        """A committed output, spent or not."""
        found = self._find(
            "SELECT (SELECT coalesce(asset_id, id) FROM transactions AS made"
            " WHERE made.position = outputs.position), amount, condition_uri,"
            f" {_SPENDER} FROM outputs WHERE {_OUTPUT}",
            transaction_id,
            output_index,
        )
        if found is None:
            return None
        if self._is_steady:
            self._spender_of = transaction_id, output_index, found[3]
        return SpendableOutput(*found[:3])

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        """The committed transaction that spent the output."""
        if self._spender_of[:2] == (transaction_id, output_index):
            return self._spender_of[2]
        found = self._find(
            f"SELECT {_SPENDER} FROM outputs WHERE {_OUTPUT}",
            transaction_id,
            output_index,
        )
        spender: str | None = found[0] if found else None
        return spender

    def validators(self) -> list[Validator]:
        """The newest set of validators, in force already or not."""
        with translated("read", self.path):
            # A block decides on the set of the next height.
            found = validators_by(self.connection, self.below)
        return [Validator(*each) for each in found]

    def validators_since(self, height: int) -> int:
        """The height from which on the set is in force that is in force at `height`; or 0."""
        # A chain that goes on with an earlier one's log begins with the same set anew.
        sql = (
            "SELECT max(height) FROM (SELECT height FROM validators UNION ALL"
            " SELECT initial_height FROM moves WHERE chain_id IS NOT NULL)"
            " WHERE height <= ?"
        )
        with translated("read", self.path):
            found = row(self.connection, sql, height)
        return found[0] or 0 if found else 0

    def election(self, transaction_id: str) -> Election | None:
        """The committed election with this id, and what has been counted for it."""
        found = self._find(
            f"SELECT position, {HEIGHT}, operation FROM transactions WHERE id = ?"
            " AND operation IN ('VALIDATOR_ELECTION', 'CHAIN_MIGRATION_ELECTION')",
            transaction_id,
        )
        if found is None or found[1] >= self.below:
            return None
        at, height, operation = found
        sql = (
            "SELECT votes FROM tallies WHERE election = ? AND height < ?"
            " ORDER BY height DESC LIMIT 1"
        )
        with translated("read", self.path):
            ((high, low),) = rows(self.connection, _TOKENS, at)
            votes = row(self.connection, sql, at, self.below)
        tokens = ((high or 0) << 32) + (low or 0)
        return Election(height, operation, tokens, int(votes[0]) if votes else 0)

    def body(self, transaction_id: str) -> bytes:
        """The bytes of a committed transaction."""
        found = self._find(
            "SELECT raw FROM transactions JOIN bodies USING (position) WHERE id = ?",
            transaction_id,
        )
        if found is None:
            text = f"transaction {transaction_id:.64} is missing"
            raise LogDamaged("read", self.path, text)
        raw: bytes = found[0]
        return raw

    def is_migrating(self) -> bool:
        """Whether a chain migration has concluded, in the chain in force."""
        return self.migrated_at() > 0

    def migrated_at(self) -> int:
        """The height at which a migration of the chain in force concluded; 0: none did."""
        return self.migration_of(self.below)

    def migration_of(self, height: int) -> int:
        """As `migrated_at`, of the chain that the block of this height belongs to."""
        sql = (
            "SELECT min(height) FROM transactions JOIN tallies ON election = position"
            " WHERE operation = 'CHAIN_MIGRATION_ELECTION' AND concluded AND height < ?1"
            " AND height >= (SELECT coalesce(max(initial_height), 0) FROM moves"
            " WHERE chain_id IS NOT NULL AND initial_height <= ?2)"
        )
        with translated("read", self.path):
            found = row(self.connection, sql, self.below, height)
        return found[0] or 0 if found else 0

    def _find(self, sql: str, transaction_id: str, *indexes: int) -> Row | None:
        # Nor can SQLite bind an unsigned 64-bit integer.
        if not is_id(transaction_id):
            return None
        for index in indexes:
            if not 0 <= index <= END_OF_BLOCK:
                return None
        try:
            bindings = (transaction_id, *indexes)
            found = self.connection.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise log_error("read", self.path, error) from error
        return found[0] if found else None
