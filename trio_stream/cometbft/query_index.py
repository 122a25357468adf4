"""Many queries against many items: each attribute is looked at once, however many they are.

All conditions of all queries have a bit, equal ones the same. An attribute's key leads to the
table of conditions on it, if there are any, and its value to the set of those that hold. The union
over an item says which queries are worth a test: those with an anchor in it (`query_plan`), and
those that have none. Items in which the same conditions hold are tested once.

The work is in proportion to attributes and candidates, and is handed out in bounded steps, so that
the caller can let others run in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from trio_stream.cometbft.events import Attribute
from trio_stream.cometbft.items import Implied, Item
from trio_stream.cometbft.queries import (
    Condition,
    Expression,
    Generation,
    Operator,
    conditions,
)
from trio_stream.cometbft.query_plan import Held, Plan, plan
from trio_stream.cometbft.query_tables import Table

STEP = 4000
"""Attributes and tests between two pauses: about two milliseconds."""

TRIED = 16
"""Texts that are tried in the time that an attribute takes otherwise."""

PART = 1000
"""Attributes of one event that are looked at without a pause."""

MAX_KEYS = 8192
"""Keys that are remembered with what is asked of them; a chain has hundreds."""

MAX_KEY = 256
"""Characters of a key that is remembered."""

MAX_REMEMBERED = 4096
"""Sets of conditions that are remembered with the queries that hold."""

MAX_EVENTS = 16
"""Events of an item that is remembered, where queries look at events by themselves."""

NO_EVENTS: frozenset[Held] = frozenset()

Matches = tuple[Expression, ...]
"""The queries that hold of an item, in the order in which they came."""


class _Key(NamedTuple):
    """What is asked of one composite key."""

    present: Held
    """Holds because the key is there, whatever its value."""
    tables: tuple[Table, ...]


NOTHING = _Key(0, ())


class QueryIndex:
    """A set of queries, each counted as often as it was added."""

    def __init__(self) -> None:
        self._counts: dict[Expression, int] = {}
        self._plans: dict[Expression, Plan] = {}
        self._uses: dict[Condition, int] = {}
        self._tables: dict[tuple[Generation, str], Table] = {}
        self._bits: dict[Condition, Held] = {}
        self._free: list[Held] = []
        self._prepare()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, query: Expression) -> None:
        """Count `query` once more."""
        self._counts[query] = self._counts.get(query, 0) + 1
        if self._counts[query] == 1:
            for condition in conditions(query):
                self._take(condition)
            self._plans[query] = plan(
                query, self._bits.__getitem__, self._uses.__getitem__
            )
            self._stale = True

    def discard(self, query: Expression) -> None:
        """Count `query` once less, and forget it at none."""
        self._counts[query] -= 1
        if not self._counts[query]:
            del self._counts[query], self._plans[query]
            for condition in conditions(query):
                self._release(condition)
            self._stale = True

    def match(self, item: Item) -> Matches:
        """The queries that hold of one item."""
        return next(found for step in self.steps([item]) for found in step)

    def steps(
        self, items: Iterable[Item], *, step: int = STEP
    ) -> Iterator[list[Matches]]:
        """What holds of each item, in order, a few at a time.

        A step may be empty: an item can take more than one. No query may be added or discarded
        until the last step is taken.
        """
        if self._stale:
            self._prepare()
        found: list[Matches] = []
        work = 0
        for item in items:
            implied = self._of_implied(item.implied)
            each: list[Held] = []
            for kind, attributes in item.events:
                held = implied
                for start in range(0, len(attributes), PART):
                    part = attributes[start : start + PART]
                    more, cost = self._of_attributes(kind, part)
                    held |= more
                    work += cost
                    if work >= step:
                        yield found
                        found, work = [], 0
                each.append(held)
                work += 1
            union = reduce(or_, each, implied)
            events = frozenset(each or [implied]) if self._by_event else NO_EVENTS
            matches = self._remembered.get((union, events))
            if matches is None:
                holding = []
                for number in self._candidates(union):
                    if self._tests[number](union, events):
                        holding.append(self._queries[number])
                    work += 1 + len(events)
                    if work >= step:
                        yield found
                        found, work = [], 0
                matches = tuple(holding)
                if len(self._remembered) >= MAX_REMEMBERED:
                    self._remembered.clear()
                if len(events) <= MAX_EVENTS:
                    self._remembered[union, events] = matches
            found.append(matches)
        yield found

    def _of_attributes(
        self, kind: str, attributes: Sequence[Attribute]
    ) -> tuple[Held, int]:
        """The conditions that hold of these attributes of an event, and what it took."""
        held, cost = 0, len(attributes)
        for key, value, _ in attributes:
            present, tables = self._keys.get((kind, key)) or self._asked(kind, key)
            held |= present
            for table in tables:
                held |= table.satisfied(value)
                cost += table.effort // TRIED
        return held, cost

    def _of_implied(self, implied: Implied) -> Held:
        held = 0
        for composite, value in implied:
            kind, _, key = composite.rpartition(".")
            held |= self._of_attributes(kind, (Attribute(key, value, False),))[0]
        return held

    def _asked(self, kind: str, key: str) -> _Key:
        """Find out what is asked of a key, for the first time since queries changed."""
        found = NOTHING
        # The engine leaves out events without a type and attributes without a key.
        if kind and key:
            composite = f"{kind}.{key}"
            typed = self._tables.get(
                (Generation.FROM_0_38, composite.rpartition(".")[0])
            )
            present = typed.satisfied("") if typed else 0
            for name, bit in self._prefixes:
                if composite.startswith(name):
                    present |= bit
            tables = (self._tables.get((each, composite)) for each in Generation)
            found = _Key(present, tuple(table for table in tables if table))
        if len(self._keys) >= MAX_KEYS:
            self._keys.clear()
        if len(kind) + len(key) <= MAX_KEY:
            self._keys[kind, key] = found
        return found

    def _candidates(self, held: Held) -> list[int]:
        """The queries that may hold where these conditions do, by number."""
        found = set(self._unanchored)
        for bit in _each(held & self._anchors):
            found.update(self._anchored[bit])
        return sorted(found)

    def _prepare(self) -> None:
        """Find out anew what follows from the queries."""
        self._stale = False
        self._keys: dict[tuple[str, str], _Key] = {}
        self._remembered: dict[tuple[Held, frozenset[Held]], Matches] = {}
        self._queries = list(self._plans)
        self._tests = [each.test for each in self._plans.values()]
        self._anchored: dict[Held, list[int]] = {}
        self._unanchored: list[int] = []
        self._anchors = 0
        self._by_event = False
        for number, each in enumerate(self._plans.values()):
            self._by_event |= each.by_event
            if each.anchors is None:
                self._unanchored.append(number)
                continue
            self._anchors |= each.anchors
            for bit in _each(each.anchors):
                self._anchored.setdefault(bit, []).append(number)
        # Up to 0.37 a name without a point exists where any key begins with it.
        self._prefixes = [
            (condition.key, self._bits[condition])
            for condition in self._uses
            if condition.generation is Generation.UP_TO_0_37
            and condition.operator is Operator.EXISTS
            and "." not in condition.key
        ]

    def _take(self, condition: Condition) -> None:
        uses = self._uses[condition] = self._uses.get(condition, 0) + 1
        if uses == 1:
            # Bits without a gap: as many are taken as there are conditions, this one included.
            bit = self._free.pop() if self._free else 1 << len(self._uses) - 1
            self._bits[condition] = bit
            at = (condition.generation, condition.key)
            self._tables.setdefault(at, Table()).add(condition, bit)

    def _release(self, condition: Condition) -> None:
        self._uses[condition] -= 1
        if not self._uses[condition]:
            del self._uses[condition]
            at = (condition.generation, condition.key)
            self._free.append(self._bits.pop(condition))
            self._tables[at].discard(condition)
            if not self._tables[at].bits:
                del self._tables[at]


def _each(held: Held) -> Iterator[Held]:
    """The bits of a set."""
    while held:
        bit = held & -held
        yield bit
        held ^= bit
