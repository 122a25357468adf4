"""Which rows of the log a page is made of: a stretch of it, or what a filter wants of one.

A filter is not answered by looking at everything. Transactions are looked for by the condition
that promises fewest: an asset's by one index, a key's by another, those of operations that hardly
anybody makes by a third; the other conditions are then asked of each one found. Only the common
operations are looked for in the chain's order. However it goes, no more rows are looked at than
the caller allows, give or take one for each value of the filter, and the answer says how far that
reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import apsw

from trio_stream.log.rows import row, rows
from trio_stream.stream.selection import Selection

COMMON_OPERATIONS: Final = frozenset(("CREATE", "TRANSFER"))
"""Too many to be indexed; `schema.sql` says the same."""

_WITHIN: Final = "position > ? AND position <= ?"
_FIRST: Final = f"{_WITHIN} ORDER BY position LIMIT ?"
_OF_ASSET: Final = f"SELECT position FROM transactions WHERE asset_id = ? AND {_FIRST}"
_ASSET: Final = (
    f"SELECT position FROM transactions WHERE id = ? AND asset_id IS NULL AND {_FIRST}"
)
# A transaction may name a key more than once, and is then here more than once.
_OF_KEY: Final = f"SELECT position FROM keys WHERE public_key = ? AND {_FIRST}"
_OF_RARE_OPERATION: Final = (
    "SELECT position FROM transactions INDEXED BY transactions_by_rare_operation"
    " WHERE operation = ? AND operation NOT IN ('CREATE', 'TRANSFER')"
    f" AND {_FIRST}"
)


class Span(NamedTuple):
    """Part of the log, by position keys: what lies after one, up to and including another."""

    after: int
    until: int


class RowSource(NamedTuple):
    """Rows in order: a table expression with its bindings, and what these rows stand for."""

    table: str
    bindings: Mapping[str, object]
    until: int
    """There are none but these up to here, if they are fewer than `limit`."""
    limit: int


class Matches(NamedTuple):
    """What a filter wants: all up to `until`, which is as far as was looked."""

    keys: Sequence[int]
    until: int


def stretch(table: str, span: Span, limit: int, *, columns: str = "*") -> RowSource:
    """The first rows of a part of the log."""
    expression = (
        f"(SELECT {columns} FROM {table} WHERE position > :after AND position <= :until"
        " ORDER BY position LIMIT :limit)"
    )
    return RowSource(expression, {**span._asdict(), "limit": limit}, span.until, limit)


def wanted(
    connection: apsw.Connection,
    selection: Selection,
    span: Span,
    *,
    limit: int,
    looks: int,
    columns: str = "*",
) -> RowSource:
    """The first `limit` transactions that are selected, looking at about `looks` rows."""
    if not selection.filtered:
        limit = min(limit, looks)
        return stretch("transactions", span, limit, columns=columns)
    keys, until = find_matches(connection, selection, span, looks=looks)
    if len(keys) > limit:
        keys = keys[:limit]
        until = keys[-1]
    expression = (
        "(SELECT transactions.* FROM json_each(:chosen) AS chosen CROSS JOIN transactions"
        " ON position = chosen.value)"
    )
    return RowSource(expression, {"chosen": json.dumps(keys)}, until, len(keys) + 1)


def find_matches(
    connection: apsw.Connection, selection: Selection, span: Span, *, looks: int
) -> Matches:
    """The transactions that a filter wants, looking at about so many rows."""
    values, queries = selection.operations, [_OF_RARE_OPERATION]
    asked_later: frozenset[str] = frozenset()
    if selection.asset_ids:
        values, queries = selection.asset_ids, [_OF_ASSET, _ASSET]
        asked_later = selection.public_keys
    elif selection.public_keys:
        values, queries = selection.public_keys, [_OF_KEY]
    elif selection.operations & COMMON_OPERATIONS:
        return _scan(connection, selection.operations, span, looks)
    share = max(1, looks // (len(values) + len(asked_later)))
    found, until = set[int](), span.until
    for query in queries:
        for value in values:
            some = [key for (key,) in rows(connection, query, value, *span, share)]
            found.update(some)
            if len(some) == share:
                until = min(until, some[-1])
    keys = sorted(key for key in found if key <= until)
    return Matches(_sift(connection, selection, keys), until)


def _sift(
    connection: apsw.Connection, selection: Selection, keys: Sequence[int]
) -> Sequence[int]:
    """Those that meet the conditions by which they were not looked for."""
    terms: list[str] = []
    bindings: list[str] = []
    if selection.operations:
        terms.append(f"operation IN ({_marks(selection.operations)})")
        bindings += selection.operations
    if selection.asset_ids and selection.public_keys:
        terms.append(
            "EXISTS (SELECT 1 FROM keys WHERE"
            f" public_key IN ({_marks(selection.public_keys)})"
            " AND keys.position = transactions.position)"
        )
        bindings += selection.public_keys
    if not terms or not keys:
        return keys
    sql = (
        "SELECT position FROM json_each(?) AS found CROSS JOIN transactions"
        f" ON position = found.value WHERE {' AND '.join(terms)}"
    )
    return [key for (key,) in rows(connection, sql, json.dumps(keys), *bindings)]


def _scan(
    connection: apsw.Connection, operations: frozenset[str], span: Span, looks: int
) -> Matches:
    kept = (
        f"json_group_array(position) FILTER (WHERE operation IN ({_marks(operations)}))"
    )
    found = row(
        connection,
        f"SELECT count(*), max(position), {kept}"
        f" FROM (SELECT position, operation FROM transactions WHERE {_FIRST})",
        *operations,
        *span,
        looks,
    )
    assert found is not None  # an aggregate has a row
    looked, last, keys = found
    return Matches(json.loads(keys), last if looked == looks else span.until)


def _marks(values: Iterable[str]) -> str:
    return ", ".join("?" for _ in values)
