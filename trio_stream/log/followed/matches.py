"""Where in the log a query may hold: found by the index, or everywhere.

A query holds only where one of its anchors does (`cometbft.query_plan`). An anchor that asks for a
text is found by its key and value; any other by the types that its key may be of, since a key's
name is `type.key` and both may have points. If that was not always written down, or if what it asks
for is implied and not an event's, all must be looked at. Whoever asks tries the query itself on
what is found, so it may be too much, but never too little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import apsw

from trio_stream.cometbft.queries import (
    Condition,
    Expression,
    Generation,
    Kind,
    Operator,
)
from trio_stream.cometbft.query_plan import anchors
from trio_stream.log.followed.index import TOO_LONG, fits
from trio_stream.log.matches import Span
from trio_stream.log.rows import row, rows

_FIRST: Final = "AND position > ? AND position <= ? ORDER BY position LIMIT ?"
BY_VALUE: Final = (
    f"SELECT position FROM attributes WHERE key = ? AND value = ? {_FIRST}"
)
BY_TYPE: Final = f"SELECT position FROM events WHERE type = ? {_FIRST}"
BY_HASH: Final = (
    "SELECT position FROM transactions WHERE substr(hash, 1, 8) = ? AND hash = ?"
    f" {_FIRST}"
)

IMPLIED: Final = frozenset(["tm", "tm.event", "tx", "tx.hash", "tx.height"])
"""Names that hold of items without an event; `tm` and `tx` do as the types of the others."""

_EVERYWHERE: Final = 1_000_000
_OF_A_TYPE: Final = 100

Source = tuple[str, tuple[object, ...]]
"""A statement and its first bindings."""


class Candidates(NamedTuple):
    """Positions where a query may hold: all of them up to `until`."""

    keys: Sequence[int]
    until: int


def candidates(
    connection: apsw.Connection, query: Expression, span: Span, *, looks: int
) -> Candidates | None:
    """Where the query may hold, looking at about so many rows; None if it may anywhere."""
    found = anchors(query, partial(_weight, connection))
    if found is None:
        return None
    sources = list[Source]()
    for condition in found:
        some = _sources(connection, condition)
        if some is None:
            return None
        sources += some
    share = max(1, looks // max(1, len(sources)))
    keys, until = set[int](), span.until
    for sql, bindings in sources:
        some_keys = [key for (key,) in rows(connection, sql, *bindings, *span, share)]
        keys.update(some_keys)
        if len(some_keys) == share:
            until = min(until, some_keys[-1])
    return Candidates(sorted(key for key in keys if key <= until), until)


def _weight(connection: apsw.Connection, condition: Condition) -> int:
    """How much an anchor is to be avoided: queries are short, so each is asked about."""
    found = _sources(connection, condition)
    if found is None:
        return _EVERYWHERE
    return _OF_A_TYPE if any(sql == BY_TYPE for sql, _ in found) else 1


def _sources(connection: apsw.Connection, condition: Condition) -> list[Source] | None:
    """Where the condition may hold; None if there is no telling."""
    is_equal = condition.operator is Operator.EQUAL and condition.kind is Kind.TEXT
    hashes = list[Source]()
    if condition.key in IMPLIED:
        if condition.key != "tx.hash" or not is_equal:
            return None
        hashes = list(_by_hash(condition.operand))
    old_prefix = (
        condition.generation is Generation.UP_TO_0_37
        and condition.operator is Operator.EXISTS
    )
    if old_prefix or not fits(condition.key):
        return None
    types = _types(connection, condition.key)
    if types is None:
        return None
    if is_equal and condition.operand:
        key = row(
            connection, "SELECT id, partial FROM keys WHERE name = ?", condition.key
        )
        if key is None:
            return hashes
        number, is_partial = key
        if not is_partial:
            values: list[object] = [TOO_LONG]
            if fits(condition.operand):
                values.append(condition.operand)
            return [*hashes, *((BY_VALUE, (number, value)) for value in values)]
    return [*hashes, *((BY_TYPE, (each,)) for each in types)]


def _types(connection: apsw.Connection, name: str) -> list[int] | None:
    """The types whose keys may have this name, or that have it; None if one is partial."""
    parts = name.split(".")
    found = list[int]()
    for count in range(1, len(parts) + 1):
        sql = "SELECT id, partial FROM types WHERE name = ?"
        of = row(connection, sql, ".".join(parts[:count]))
        if of is not None:
            if of[1]:
                return None
            found.append(of[0])
    return found


def _by_hash(written: str) -> Iterator[Source]:
    try:
        digest = bytes.fromhex(written)
    except ValueError:
        return
    # As the engine writes it, and no other way.
    if digest.hex().upper() == written:
        yield BY_HASH, (digest[:8], digest)
