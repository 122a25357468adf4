"""The committed state as validation asks for it, over any connection to the log.

Each question is one prepared statement by primary key or unique index. The questions are total: a
transaction may name any text as an id and any 64-bit number as an index, and the answer is that
there is none.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from trio_stream.log.errors import log_error
from trio_stream.log.rows import Row, is_id, row
from trio_stream.stream.position import END_OF_BLOCK
from trio_stream.transactions.rules import SpendableOutput


class StoredView:
    """The committed state, as `transactions.rules` asks for it."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.connection = connection
        """Touched by one thread at a time."""
        self.path = path

    def has_transaction(self, transaction_id: str) -> bool:
        """Whether it is committed."""
        sql = "SELECT 1 FROM transactions WHERE id = ?"
        return self._find(sql, transaction_id) is not None

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        """A committed output, spent or not."""
        found = self._find(
            "SELECT coalesce(asset_id, id), amount, condition_uri"
            " FROM transactions JOIN outputs USING (position)"
            " WHERE id = ? AND output_index = ?",
            transaction_id,
            output_index,
        )
        return SpendableOutput(*found) if found else None

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        """The committed transaction that spent the output."""
        found = self._find(
            "SELECT spending.id FROM transactions AS spent JOIN outputs USING (position)"
            " JOIN transactions AS spending ON spending.position = outputs.spent_by"
            " WHERE spent.id = ? AND output_index = ?",
            transaction_id,
            output_index,
        )
        return found[0] if found else None

    def _find(self, sql: str, transaction_id: str, *indexes: int) -> Row | None:
        # Nor can SQLite bind an unsigned 64-bit integer.
        if not is_id(transaction_id):
            return None
        if any(not 0 <= index <= END_OF_BLOCK for index in indexes):
            return None
        try:
            return row(self.connection, sql, transaction_id, *indexes)
        except apsw.Error as error:
            raise log_error("read", self.path, error) from error
