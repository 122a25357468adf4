"""The index of types, and of keys with their values, in which queries look for candidates.

It may leave out what it likes, as long as it says so: a key of which a value was ever left out is
`partial`, and so is a type. Whoever asks for such a key looks for its type instead, and for such a
type at everything. So what is indexed may be set differently at each start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

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
    if len(text) * 3 <= MAX_BYTES and text.isascii():
        return True
    try:
        return len(text.encode()) <= MAX_BYTES
    except UnicodeEncodeError:
        return False


class Index:
    """Writes the index, within the writer's transactions."""

    def __init__(self, connection: apsw.Connection, keys: IndexedKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._types_known = _Names(connection, "types")
        self._keys_known = _Names(connection, "keys")

    def add(self, position: int, events: Iterable[Event]) -> None:
        """Write down what happened at this position."""
        self.add_all([(position, events)])

    def add_all(self, happened: Iterable[tuple[int, Iterable[Event]]]) -> None:
        """Write down what happened at each of these positions."""
        types: list[tuple[int, int]] = []
        values: list[tuple[int, str | bytes, int]] = []
        for position, events in happened:
            these, those = self._found(events)
            types += ((number, position) for number in sorted(these))
            values += ((key, value, position) for key, value in those)
        if not self._keys.nothing:
            sql = "INSERT INTO events VALUES (?, ?)"
            self._connection.executemany(sql, types)
            sql = "INSERT INTO attributes VALUES (?, ?, ?)"
            self._connection.executemany(sql, values)

    def _found(
        self, events: Iterable[Event]
    ) -> tuple[set[int], set[tuple[int, str | bytes]]]:
        """The types of events, and the keys and values that are indexed."""
        nothing = self._keys.nothing
        known = self._keys_known.known
        types = set[int]()
        values = set[tuple[int, str | bytes]]()
        for kind, attributes in events:
            if not fits(kind):
                continue
            number = self._types_known.number(kind, partial=nothing)
            types.add(number)
            if not nothing and kind:
                for each in attributes:
                    name = f"{kind}.{each.key}"
                    # Names that do not fit are found by their type.
                    if name in known or each.key and fits(name):
                        taken = self._keys.take(name, each)
                        key = self._keys_known.number(name, partial=not taken)
                        if taken:
                            value = each.value if fits(each.value) else TOO_LONG
                            values.add((key, value))
        return types, values

    def remove(self, position: int, events: Iterable[Event]) -> None:
        """Drop what may have been written down when these events were added, under any setting."""
        types = set[str]()
        values = set[tuple[str, str | bytes]]()
        for kind, attributes in events:
            if fits(kind):
                types.add(kind)
                for each in attributes:
                    if fits(name := f"{kind}.{each.key}"):
                        values.add((name, each.value if fits(each.value) else TOO_LONG))
        self._connection.executemany(
            "DELETE FROM events WHERE position = ?"
            " AND type = (SELECT id FROM types WHERE name = ?)",
            ((position, kind) for kind in types),
        )
        self._connection.executemany(
            "DELETE FROM attributes WHERE position = ? AND value = ?"
            " AND key = (SELECT id FROM keys WHERE name = ?)",
            ((position, value, name) for name, value in values),
        )

    def forget(self) -> None:
        """Remember nothing that a transaction wrote which was not kept."""
        self._types_known.known.clear()
        self._keys_known.known.clear()


class _Names:
    """The rows of one table of names."""

    def __init__(self, connection: apsw.Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        self.known: dict[str, tuple[int, bool]] = {}

    def number(self, name: str, *, partial: bool) -> int:
        """The row of this name, which is partial from now on if it was not before."""
        number, was_partial = self.known.get(name) or self._stored(name)
        if partial and not was_partial:
            sql = f"UPDATE {self._table} SET partial = 1 WHERE id = ?"
            self._connection.execute(sql, (number,))
            self.known[name] = number, True
        return number

    def _stored(self, name: str) -> tuple[int, bool]:
        sql = f"INSERT OR IGNORE INTO {self._table} VALUES (NULL, ?, 0)"
        self._connection.execute(sql, (name,))
        sql = f"SELECT id, partial FROM {self._table} WHERE name = ?"
        found = row(self._connection, sql, name)
        assert found is not None  # it was just added
        if len(self.known) >= MAX_REMEMBERED:
            self.known.clear()
        self.known[name] = found[0], bool(found[1])
        return self.known[name]
