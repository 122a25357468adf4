"""The index of types, and of keys with their values, in which queries look for candidates.

It may leave out what it likes, as long as it says so: a key of which a value was ever left out is
`partial`, and so is a type. Whoever asks for such a key looks for its type instead, and for such a
type at everything. So what is indexed may be set differently at each start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import apsw

from trio_stream.cometbft.events import Attribute, Event
from trio_stream.log.rows import row

MAX_BYTES: Final = 256
"""Of a value or a name that is indexed: addresses and hashes have less than a hundred."""

TOO_LONG: Final = b""
"""Stands for all values that are longer."""

MAX_REMEMBERED: Final = 8192
"""Names whose rows are remembered; a chain has hundreds."""


@dataclass(frozen=True, slots=True)
class IndexedKeys:
    """Which attributes are indexed: those of some keys, or those whose flag is set."""

    keys: frozenset[str] | None = None
    """Names as queries write them, `transfer.recipient`; None for all whose flag is set."""
    everything: bool = False
    """Whatever the flags say."""
    nothing: bool = False
    """Not even types: the file is smaller, and queries look at everything."""

    def take(self, name: str, attribute: Attribute) -> bool:
        """Whether an attribute of this name is indexed."""
        if self.nothing:
            return False
        if self.keys is not None:
            return name in self.keys
        return self.everything or attribute.indexed


FLAGGED: Final = IndexedKeys()
ALL: Final = IndexedKeys(everything=True)
NOTHING: Final = IndexedKeys(nothing=True)


def fits(text: str) -> bool:
    """Whether it may be in the index; SQLite can't even bind text with a lone surrogate."""
    if text.isascii():
        return len(text) <= MAX_BYTES
    try:
        return len(text.encode()) <= MAX_BYTES
    except UnicodeEncodeError:
        return False


class _Known(NamedTuple):
    """The rows of a type and of its keys, with and without the flag; 0 for keys not indexed."""

    number: int
    flagged: dict[str, int]
    others: dict[str, int]


class Index:
    """Writes the index, within the writer's transactions."""

    def __init__(self, connection: apsw.Connection, keys: IndexedKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._known: dict[str, _Known] = {}
        self._remembered = 0

    def add(self, position: int, events: Iterable[Event]) -> None:
        """Write down what happened at this position."""
        self.add_all([(position, events)])

    def add_all(self, happened: Iterable[tuple[int, Iterable[Event]]]) -> None:
        """Write down what happened at each of these positions."""
        types: list[tuple[int, int]] = []
        values = set[tuple[int, str | bytes, int]]()
        for position, events in happened:
            numbers = set[int]()
            for kind, attributes in events:
                known = self._known.get(kind) or self._type(kind)
                if known is None:
                    continue
                number, flagged, others = known
                numbers.add(number)
                if self._keys.nothing or not kind:
                    continue
                # There are a hundred thousand of them in a large block.
                for each in attributes:
                    name, value, is_flagged = each
                    key = (flagged if is_flagged else others).get(name)
                    if key is None:
                        key = self._key(known, kind, each)
                    if key:
                        if not value.isascii() or len(value) > MAX_BYTES:
                            values.add((key, _indexed(value), position))
                        else:
                            values.add((key, value, position))
            types += [(number, position) for number in numbers]
        if not self._keys.nothing:
            sql = "INSERT INTO events VALUES (?, ?)"
            self._connection.executemany(sql, types)
            sql = "INSERT INTO attributes VALUES (?, ?, ?)"
            self._connection.executemany(sql, values)

    def _type(self, kind: str) -> _Known | None:
        """A type that is not remembered; None if it may not be in the index."""
        if not fits(kind):
            return None
        number = self._number("types", kind, partial=self._keys.nothing)
        known = _Known(number, {}, {})
        self._remember()
        self._known[kind] = known
        return known

    def _key(self, known: _Known, kind: str, attribute: Attribute) -> int:
        """A key that is not remembered; 0 if the value of this attribute is not indexed."""
        name = f"{kind}.{attribute.key}"
        # Names that do not fit are found by their type.
        if not attribute.key or not fits(name):
            return 0
        taken = self._keys.take(name, attribute)
        number = self._number("keys", name, partial=not taken)
        self._remember()
        keys = known.flagged if attribute.indexed else known.others
        keys[attribute.key] = number if taken else 0
        return keys[attribute.key]

    def _number(self, table: str, name: str, *, partial: bool) -> int:
        """The row of this name, which is partial from now on if it was not before."""
        sql = f"INSERT OR IGNORE INTO {table} VALUES (NULL, ?, 0)"
        self._connection.execute(sql, (name,))
        if partial:
            sql = f"UPDATE {table} SET partial = 1 WHERE name = ? AND partial = 0"
            self._connection.execute(sql, (name,))
        found = row(self._connection, f"SELECT id FROM {table} WHERE name = ?", name)
        assert found is not None  # it was just added
        return int(found[0])

    def _remember(self) -> None:
        """Make room for one more name."""
        if self._remembered >= MAX_REMEMBERED:
            self.forget()
        self._remembered += 1

    def remove(self, position: int, events: Iterable[Event]) -> None:
        """Drop what may have been written down when these events were added, under any setting."""
        types, values = indexable(events)
        self._connection.executemany(
            "DELETE FROM events WHERE position = ?"
            " AND type = (SELECT id FROM types WHERE name = ?)",
            ((position, kind) for kind in types),
        )
        self._connection.executemany(
            "DELETE FROM attributes WHERE position = ? AND value = ?"
            " AND key = (SELECT id FROM keys WHERE name = ?)",
            ((position, value, f"{kind}.{key}") for kind, key, value in values),
        )

    def forget(self) -> None:
        """Remember nothing that a transaction wrote which was not kept."""
        self._known.clear()
        self._remembered = 0


def _indexed(value: str) -> str | bytes:
    """What stands for it in the index."""
    return value if fits(value) else TOO_LONG


def indexable(
    events: Iterable[Event],
) -> tuple[set[str], set[tuple[str, str, str | bytes]]]:
    """Types of events, and attributes by type, key and value, as any setting may index them."""
    types = set[str]()
    values = set[tuple[str, str, str | bytes]]()
    for kind, attributes in events:
        if fits(kind):
            types.add(kind)
            for each in attributes:
                if fits(f"{kind}.{each.key}"):
                    values.add((kind, each.key, _indexed(each.value)))
    return types, values
