"""The rows that the log has, read in order, and those that it should have, looked up in batches.

A check asks for millions of rows. Those that are in the chain's order are read side by side. Those
that are not (`keys`, and the outputs that a transaction spends) are looked up a hundred at once,
which takes a third of the time; a batch that does not find all of its rows is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import apsw

from trio_stream.log.rows import HEIGHT, Row, rows

BATCH: Final = 100
"""Rows in one look-up: enough to share what a statement costs, and few enough parameters."""

KEYS: Final = (
    "keys ON keys.public_key = a AND keys.position = b AND keys.output_index = c"
    " AND keys.in_details = d"
)
"""The key, its transaction's position, the output's index, how it stands there."""
SPENDS: Final = (
    "transactions AS t ON t.id = a AND t.position < c"
    " JOIN outputs AS o ON o.position = t.position AND o.output_index = b AND o.spent_by = c"
)
"""The id and the index of an output that the transaction at the third value spends."""


class Entry(NamedTuple):
    """What the log has about an accepted transaction."""

    at: int
    id: str
    asset_id: str
    operation: str
    sha256: bytes
    raw: bytes | None
    outputs: list[Row]
    """Index, amount and condition of each."""


def entries(connection: apsw.Connection, first: int, last: int) -> Iterator[Entry]:
    """The transactions at these positions, both included, in the chain's order."""
    outputs = connection.execute(
        "SELECT position, output_index, amount, condition_uri FROM outputs"
        " WHERE position BETWEEN ? AND ? ORDER BY position, output_index",
        (first, last),
    )
    output: Row | None = next(outputs, None)
    each: Row
    for each in connection.execute(
        "SELECT position, id, coalesce(asset_id, id), operation, sha256, raw"
        " FROM transactions LEFT JOIN bodies USING (position)"
        " WHERE position BETWEEN ? AND ? ORDER BY position",
        (first, last),
    ):
        at = each[0]
        found: list[Row] = []
        while output is not None and output[0] <= at:
            if output[0] == at:
                found.append(output[1:])
            output = next(outputs, None)
        yield Entry._make((*each, found))
    outputs.close()


def strays(connection: apsw.Connection, first: int, last: int) -> list[tuple[int, str]]:
    """Heights with rows of bodies or outputs that have no transaction, and the table's name."""
    found: list[tuple[int, str]] = []
    for table in ("bodies", "outputs"):
        sql = (
            f"SELECT DISTINCT {HEIGHT} FROM {table} WHERE position BETWEEN ? AND ?"
            " AND NOT EXISTS"
            f" (SELECT 1 FROM transactions AS t WHERE t.position = {table}.position)"
        )
        found += [(height, table) for (height,) in rows(connection, sql, first, last)]
    return found


class Wanted:
    """Rows that there must be, looked up in batches; `missing` is called for those there aren't.

    `join` is one of `KEYS` and `SPENDS`.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        join: str,
        columns: int,
        missing: Callable[[int, Row], None],
    ) -> None:
        self._connection = connection
        self._missing = missing
        self._names = ", ".join("abcd"[:columns])
        self._row = f"({', '.join('?' * columns)})"
        self._join = join
        self._sql = self._select(BATCH)
        self._places: list[int] = []
        self._rows: list[Row] = []
        self.count = 0
        """How many have been asked for."""

    def ask(self, at: int, wanted: Row) -> None:
        """Look this row up, now or with others; `at` is for `missing`."""
        self._places.append(at)
        self._rows.append(wanted)
        if len(self._rows) == BATCH:
            self.flush()

    def flush(self) -> None:
        """Look up what has not been looked up."""
        count = len(self._rows)
        sql = self._sql if count == BATCH else self._select(count)
        if count and self._found(sql, self._rows) != count:
            one = self._select(1)
            for at, wanted in zip(self._places, self._rows, strict=True):
                if not self._found(one, [wanted]):
                    self._missing(at, wanted)
        self.count += count
        self._places.clear()
        self._rows.clear()

    def _select(self, count: int) -> str:
        values = ", ".join([self._row] * count)
        return (
            f"WITH wanted({self._names}) AS (VALUES {values})"
            f" SELECT count(*) FROM wanted CROSS JOIN {self._join}"
        )

    def _found(self, sql: str, wanted: list[Row]) -> int:
        bindings = [value for each in wanted for value in each]
        return int(rows(self._connection, sql, *bindings)[0][0])
