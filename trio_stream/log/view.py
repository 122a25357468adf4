"""The committed state as validation asks for it, over any connection to the log.

Each question is one prepared statement by primary key or unique index. The questions are total: a
transaction may name any text as an id and any 64-bit number as an index, and gets "not there".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import apsw

from trio_stream.ledger.block import INDEX_BITS, MAX_HEIGHT, MAX_TRANSACTIONS, Tip
from trio_stream.log.errors import log_error
from trio_stream.transactions.rules import SpendableOutput

_ID: Final = re.compile(r"[0-9a-f]{64}")

Row = tuple[Any, ...]


def position_key(height: int, index: int) -> int:
    """The one integer by which the log knows a transaction; it orders as positions do."""
    if height > MAX_HEIGHT:
        return (MAX_HEIGHT + 1) << INDEX_BITS
    return max(height, 0) << INDEX_BITS | min(max(index, 0), MAX_TRANSACTIONS)


def is_id(text: str) -> bool:
    """Whether the text can be an id of a row; SQLite can't even bind a lone surrogate."""
    return _ID.fullmatch(text) is not None


def rows(connection: apsw.Connection, sql: str, *bindings: object) -> list[Row]:
    """All rows, with the statement finished: one left open would hold back checkpoints."""
    return connection.execute(sql, bindings).fetchall()


def row(connection: apsw.Connection, sql: str, *bindings: object) -> Row | None:
    """The first row."""
    found = rows(connection, sql, *bindings)
    return found[0] if found else None


def newest_block(connection: apsw.Connection) -> Tip | None:
    """The newest block; None before the first."""
    sql = "SELECT height, app_hash FROM blocks ORDER BY height DESC LIMIT 1"
    found = row(connection, sql)
    return Tip(*found) if found else None


class StoredView:
    """The committed state, as `transactions.rules` asks for it."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def has_transaction(self, transaction_id: str) -> bool:
        """Is it committed?"""
        sql = "SELECT 1 FROM transactions WHERE id = ?"
        return self._find(sql, transaction_id) is not None

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        """What a committed output holds."""
        found = self._find(
            "SELECT coalesce(asset_id, id), amount, condition_uri"
            " FROM transactions JOIN outputs USING (position)"
            " WHERE id = ? AND output_index = ?",
            transaction_id,
            output_index,
        )
        return SpendableOutput(*found) if found else None

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        """Which committed transaction spent the output."""
        found = self._find(
            "SELECT spending.id FROM transactions AS spent JOIN outputs USING (position)"
            " JOIN transactions AS spending ON spending.position = outputs.spent_by"
            " WHERE spent.id = ? AND output_index = ?",
            transaction_id,
            output_index,
        )
        return found[0] if found else None

    def _find(self, sql: str, transaction_id: str, *indexes: int) -> Row | None:
        # SQLite can't bind an integer of 64 bits without sign either.
        if not is_id(transaction_id):
            return None
        if any(not 0 <= index <= MAX_TRANSACTIONS for index in indexes):
            return None
        try:
            return row(self._connection, sql, transaction_id, *indexes)
        except apsw.Error as error:
            raise log_error("read", self.path, error) from error
