"""All conditions of all queries: each has a bit, equal ones the same, and is in its key's table."""

from __future__ import annotations

from typing import NamedTuple

from trio_stream.cometbft.queries import Condition, Generation, Operator
from trio_stream.cometbft.query_memory import Memory
from trio_stream.cometbft.query_plan import Held
from trio_stream.cometbft.query_tables import Table

MAX_KEYS = 8192
"""Keys that are remembered with what is asked of them; a chain has hundreds."""

MAX_KEY = 256
"""Characters of a key that is remembered."""


class Asked(NamedTuple):
    """What is asked of one composite key."""

    present: Held
    """Holds because the key is there, whatever its value."""
    tables: tuple[Table, ...]


NOTHING = Asked(0, ())


class Conditions:
    """Each is counted as often as it was added."""

    def __init__(self, memory: Memory) -> None:
        self.bits: dict[Condition, Held] = {}
        self.uses: dict[Condition, int] = {}
        self.by_key: dict[tuple[str, str], Asked] = {}
        """What `asked_of` has found out, by an event's kind and an attribute's key."""
        self._memory = memory
        self._free: list[Held] = []
        self._tables: dict[tuple[Generation, str], Table] = {}
        self._prefixes: dict[int, dict[str, Held]] = {}
        """Up to 0.37 a name without a point exists where any key begins with it. By length."""

    def add(self, condition: Condition) -> None:
        """Count `condition` once more."""
        uses = self.uses[condition] = self.uses.get(condition, 0) + 1
        if uses > 1:
            return
        # Bits without a gap: as many are taken as there are conditions, this one included.
        bit = self._free.pop() if self._free else 1 << len(self.uses) - 1
        self.bits[condition] = bit
        at = condition.generation, condition.key
        table = self._tables.get(at)
        if table is None:
            table = self._tables[at] = Table(self._memory)
        table.add(condition, bit)
        if _is_prefix(condition):
            same = self._prefixes.setdefault(len(condition.key), {})
            same[condition.key] = bit
        self.by_key.clear()

    def discard(self, condition: Condition) -> None:
        """Count `condition` once less, and forget it at none."""
        self.uses[condition] -= 1
        if self.uses[condition]:
            return
        del self.uses[condition]
        bit = self.bits.pop(condition)
        self._free.append(bit)
        at = condition.generation, condition.key
        self._tables[at].discard(condition, bit)
        if not self._tables[at]:
            del self._tables[at]
        if _is_prefix(condition):
            same = self._prefixes[len(condition.key)]
            del same[condition.key]
            if not same:
                del self._prefixes[len(condition.key)]
        self.by_key.clear()

    def asked_of(self, kind: str, key: str) -> Asked:
        """Find out what is asked of a key, for the first time since conditions changed."""
        found = NOTHING
        # The engine leaves out events without a type and attributes without a key.
        if kind and key:
            composite = f"{kind}.{key}"
            typed = self._tables.get(
                (Generation.FROM_0_38, composite.rpartition(".")[0])
            )
            present = typed.satisfied("") if typed else 0
            for length, prefixes in self._prefixes.items():
                present |= prefixes.get(composite[:length], 0)
            tables = (self._tables.get((each, composite)) for each in Generation)
            found = Asked(present, tuple(table for table in tables if table))
        if len(self.by_key) >= MAX_KEYS:
            self.by_key.clear()
        if len(kind) + len(key) <= MAX_KEY:
            self.by_key[kind, key] = found
        return found


def _is_prefix(condition: Condition) -> bool:
    return (
        condition.generation is Generation.UP_TO_0_37
        and condition.operator is Operator.EXISTS
        and "." not in condition.key
    )
