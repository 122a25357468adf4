"""Many queries against many items: each attribute is looked at once, however many they are.

All conditions of all queries have a bit, equal ones the same. An attribute's key leads to the
table of conditions on it, if there are any, and its value to the set of those that hold. The union
over an item says which queries are worth a test: those with an anchor in it (`query_plan`), and
those that have none. Items in which the same conditions hold are tested once.

The work is in proportion to attributes and candidates, and is handed out in bounded steps, so that
the caller can let others run in between. To add a query or to discard one takes what is in it, and
nothing in proportion to the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from trio_stream.cometbft.events import Attribute
from trio_stream.cometbft.items import Implied, Item
from trio_stream.cometbft.queries import (
    Expression,
    conditions,
)
from trio_stream.cometbft.query_conditions import Conditions
from trio_stream.cometbft.query_memory import Memory, size_of
from trio_stream.cometbft.query_plan import Held, Plan, plan
from trio_stream.cometbft.query_tables import Table

STEP = 2000
"""Attributes and tests between two pauses: about a millisecond, or five if all keys are new."""

PART = 1000
"""Attributes of one event that are looked at without a pause."""

MAX_REMEMBERED = 4096
"""Sets of conditions that are remembered with the queries that hold."""

MAX_EVENTS = 16
"""Events of an item that is remembered, where queries look at events by themselves."""

NO_EVENTS: frozenset[Held] = frozenset()

Matches = tuple[Expression, ...]
"""The queries that hold of an item, in the order in which they came."""

_Slow = list[tuple[Table, str]]
"""Values that take longer to ask for than to look up."""


class QueryIndex:
    """A set of queries, each counted as often as it was added."""

    def __init__(self) -> None:
        self._counts: dict[Expression, int] = {}
        self._numbers: dict[Expression, int] = {}
        self._planned: dict[int, tuple[Expression, Plan]] = {}
        """The queries by number, which are in the order in which they came."""
        self._next = 0
        self._anchors = 0
        self._anchored: dict[int, set[int]] = {}
        """Queries by the number of a bit that is an anchor of theirs."""
        self._unanchored: set[int] = set()
        self._by_event = 0
        """How many look at events by themselves."""
        self._memory = Memory()
        self._conditions = Conditions(self._memory)
        self._remembered: dict[tuple[Held, frozenset[Held]], Matches] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, query: Expression) -> None:
        """Count `query` once more."""
        count = self._counts[query] = self._counts.get(query, 0) + 1
        if count > 1:
            return
        for condition in conditions(query):
            self._conditions.add(condition)
        bits, uses = self._conditions.bits, self._conditions.uses
        made = plan(query, bits.__getitem__, uses.__getitem__)
        number = self._numbers[query] = self._next
        self._next += 1
        self._planned[number] = query, made
        self._by_event += made.by_event
        if made.anchors is None:
            self._unanchored.add(number)
        else:
            for condition in made.anchors:
                bit = bits[condition]
                self._anchored.setdefault(bit.bit_length() - 1, set()).add(number)
                self._anchors |= bit
        self._changed()

    def discard(self, query: Expression) -> None:
        """Count `query` once less, and forget it at none."""
        self._counts[query] -= 1
        if self._counts[query]:
            return
        del self._counts[query]
        number = self._numbers.pop(query)
        _, made = self._planned.pop(number)
        self._by_event -= made.by_event
        self._unanchored.discard(number)
        for condition in made.anchors or ():
            bit = self._conditions.bits[condition]
            anchored = self._anchored[bit.bit_length() - 1]
            anchored.discard(number)
            if not anchored:
                del self._anchored[bit.bit_length() - 1]
                self._anchors ^= bit
        for condition in conditions(query):
            self._conditions.discard(condition)
        self._changed()

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
        found: list[Matches] = []
        work = 0
        slow: _Slow = []
        for item in items:
            union = implied = self._of_implied(item.implied, slow)
            if slow:
                for more, cost in _gradually(slow):
                    implied |= more
                    work += cost
                    if work >= step:
                        yield found
                        found, work = [], 0
                union = implied
            each: set[Held] = set()
            for kind, attributes in item.events:
                held = implied
                for start in range(0, len(attributes), PART):
                    part = attributes[start : start + PART]
                    held |= self._of_attributes(kind, part, slow)
                    work += len(part)
                    if work >= step:
                        yield found
                        found, work = [], 0
                if slow:
                    for more, cost in _gradually(slow):
                        held |= more
                        work += cost
                        if work >= step:
                            yield found
                            found, work = [], 0
                union |= held
                if self._by_event:
                    each.add(held)
                work += 1
            events = NO_EVENTS
            if self._by_event:
                events = frozenset(each or [implied])
            matches = self._remembered.get((union, events))
            if matches is None:
                holding = []
                for number in self._candidates(union):
                    query, made = self._planned[number]
                    if made.test(union, events):
                        holding.append(query)
                    work += 1 + len(events)
                    if work >= step:
                        yield found
                        found, work = [], 0
                matches = tuple(holding)
                self._remember(union, events, matches)
            found.append(matches)
        yield found

    def _remember(self, union: Held, events: frozenset[Held], matches: Matches) -> None:
        if len(events) > MAX_EVENTS:
            return
        if len(self._remembered) >= MAX_REMEMBERED:
            self._memory.forget(self._remembered)
        size = (1 + len(events)) * size_of(union) + 8 * len(matches)
        self._memory.keep(self._remembered, (union, events), matches, size)

    def _of_attributes(
        self, kind: str, attributes: Sequence[Attribute], slow: _Slow
    ) -> Held:
        """The conditions that hold of these attributes of an event, but for what is slow."""
        held = 0
        by_key, asked_of = self._conditions.by_key, self._conditions.asked_of
        for key, value, _ in attributes:
            present, tables = by_key.get((kind, key)) or asked_of(kind, key)
            held |= present
            for table in tables:
                if table.tried:
                    slow.append((table, value))
                else:
                    held |= table.satisfied(value)
        return held

    def _of_implied(self, implied: Implied, slow: _Slow) -> Held:
        held = 0
        for composite, value in implied:
            kind, _, key = composite.rpartition(".")
            held |= self._of_attributes(kind, (Attribute(key, value, False),), slow)
        return held

    def _candidates(self, held: Held) -> list[int]:
        """The queries that may hold where these conditions do, by number."""
        found = set(self._unanchored)
        for number in _numbers_in(held & self._anchors):
            found.update(self._anchored[number])
        return sorted(found)

    def _changed(self) -> None:
        """What was found out holds no longer."""
        if self._remembered:
            self._memory.forget(self._remembered)


def _gradually(slow: _Slow) -> Iterator[tuple[Held, int]]:
    """What holds of these values, and what it took to find out; `slow` is empty then."""
    for table, value in slow:
        yield from table.gradually(value)
    slow.clear()


def _numbers_in(held: Held) -> Iterator[int]:
    """Which bits are in a set."""
    text = bin(held)
    last = len(text) - 1
    at = text.rfind("1")
    while at > 0:
        yield last - at
        at = text.rfind("1", 0, at)
