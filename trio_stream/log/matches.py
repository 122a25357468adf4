"""Which rows of the log a page is made of: a stretch of it, or the matches of filters in one.

A filter is not answered by looking at everything. Transactions are found by the filter that usually
leaves the fewest: an asset's by one index, a key's by another, those of operations that hardly
anybody makes by a third. The other filters are then conditions on what was found. Only the common
operations are looked for in the chain's order. In any case no more rows are looked at than the
caller allows, give or take one for each value of the filter, and the answer says how far that
reached. How SQL answers each filter of `stream.filters` is said by name in `QUERIES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import apsw

from trio_stream.log.rows import row, rows
from trio_stream.stream.selection import Filters, Selection

COMMON_OPERATIONS: Final = frozenset(("CREATE", "TRANSFER"))
"""Too frequent to be indexed; `schema.sql` says the same."""

_WITHIN: Final = "position > ? AND position <= ?"
_FIRST: Final = f"{_WITHIN} ORDER BY position LIMIT ?"


class _Query(NamedTuple):
    """How SQL answers a filter."""

    by_index: Sequence[str]
    """For one value: the places where it is found, which may come more than once."""
    condition: str
    """On a row of `transactions`, with the values in place of the braces."""
    reads_more: bool = False
    """Whether the condition reads another table, once for each value."""
    common: frozenset[str] = frozenset()
    """Values of the column of this name that are in no index."""


QUERIES: Final = {
    "asset_id": _Query(
        [
            f"SELECT position FROM transactions WHERE asset_id = ? AND {_FIRST}",
            "SELECT position FROM transactions"
            f" WHERE id = ? AND asset_id IS NULL AND {_FIRST}",
        ],
        "coalesce(asset_id, id) IN ({})",
    ),
    "public_key": _Query(
        [f"SELECT position FROM keys WHERE public_key = ? AND {_FIRST}"],
        "EXISTS (SELECT 1 FROM keys WHERE public_key IN ({})"
        " AND keys.position = transactions.position)",
        reads_more=True,
    ),
    "operation": _Query(
        [
            "SELECT position FROM transactions INDEXED BY transactions_by_rare_operation"
            " WHERE operation = ? AND operation NOT IN ('CREATE', 'TRANSFER')"
            f" AND {_FIRST}"
        ],
        "operation IN ({})",
        common=COMMON_OPERATIONS,
    ),
}


class Span(NamedTuple):
    """Part of the log, by position keys: everything after one, up to and including another."""

    after: int
    until: int


class RowSource(NamedTuple):
    """Rows in order: a table expression with its bindings, and what these rows stand for."""

    table: str
    bindings: Mapping[str, object]
    until: int
    """If there are fewer rows than `limit`, these are all up to here."""
    limit: int


class Matches(NamedTuple):
    """The keys of the rows that match: all of them up to `until`, which is as far as it looked."""

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
    if not selection.filters:
        limit = min(limit, looks)
        return stretch("transactions", span, limit, columns=columns)
    keys, until = find_matches(connection, selection.filters, span, looks=looks)
    if len(keys) > limit:
        keys = keys[:limit]
        until = keys[-1]
    expression = (
        "(SELECT transactions.* FROM json_each(:chosen) AS chosen CROSS JOIN transactions"
        " ON position = chosen.value)"
    )
    return RowSource(expression, {"chosen": json.dumps(keys)}, until, len(keys) + 1)


def find_matches(
    connection: apsw.Connection, filters: Filters, span: Span, *, looks: int
) -> Matches:
    """The transactions that meet all filters, looking at about so many rows."""
    name = next(name for name in QUERIES if name in filters)
    query, values = QUERIES[name], filters[name]
    if values & query.common:
        return _scan(connection, name, filters, span, looks)
    others = {other: filters[other] for other in filters if other != name}
    asked_later = sum(len(others[o]) for o in others if QUERIES[o].reads_more)
    share = max(1, looks // (len(values) + asked_later))
    found, until = set[int](), span.until
    for sql in query.by_index:
        for value in values:
            some = [key for (key,) in rows(connection, sql, value, *span, share)]
            found.update(some)
            if len(some) == share:
                until = min(until, some[-1])
    keys = sorted(key for key in found if key <= until)
    return Matches(_sift(connection, others, keys), until)


def _sift(
    connection: apsw.Connection,
    others: Mapping[str, frozenset[str]],
    keys: Sequence[int],
) -> Sequence[int]:
    """Those that meet the other filters, too."""
    if not others or not keys:
        return keys
    condition, bindings = _condition(others)
    sql = (
        "SELECT position FROM json_each(?) AS found CROSS JOIN transactions"
        f" ON position = found.value WHERE {condition}"
    )
    return [key for (key,) in rows(connection, sql, json.dumps(keys), *bindings)]


def _scan(
    connection: apsw.Connection, column: str, filters: Filters, span: Span, looks: int
) -> Matches:
    """Look at one row after the other."""
    condition, bindings = _condition({column: filters[column]})
    found = row(
        connection,
        "SELECT count(*), max(position),"
        f" json_group_array(position) FILTER (WHERE {condition})"
        f" FROM (SELECT position, {column} FROM transactions WHERE {_FIRST})",
        *bindings,
        *span,
        looks,
    )
    assert found is not None  # an aggregate has a row
    looked, last, keys = found
    others = {other: filters[other] for other in filters if other != column}
    until = last if looked == looks else span.until
    return Matches(_sift(connection, others, json.loads(keys)), until)


def _condition(filters: Mapping[str, frozenset[str]]) -> tuple[str, list[str]]:
    """All filters as a condition in SQL, and its bindings."""
    terms: list[str] = []
    bindings: list[str] = []
    for name, values in filters.items():
        marks = ", ".join("?" for _ in values)
        terms.append(QUERIES[name].condition.format(marks))
        bindings += values
    return " AND ".join(terms), bindings
