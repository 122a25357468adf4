"""A query as it is run: conditions are bits by now, and what holds of an item is a set of them.

A plan has the test itself, and anchors: conditions of which one at least must hold if the query
does. So only queries are tested that have an anchor in the item; anchors are chosen to hold rarely.
A query with NOT may hold where none of its conditions does: it has no anchors, and is tested
against every item.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import itemgetter, or_

from trio_stream.cometbft.queries import (
    And,
    Condition,
    Expression,
    Not,
    OneEvent,
    Operator,
    Or,
)

Held = int
"""The conditions that hold, a bit for each."""

Test = Callable[[Held, Collection[Held]], bool]
"""Whether a query holds, given what holds in the whole item and in each event by itself."""

ALWAYS = frozenset(["tm.event"])
"""Keys that say what an item is, and nothing of it."""


Bits = Callable[[Condition], Held]
"""The bit of a condition."""

Uses = Callable[[Condition], int]
"""How many queries ask for a condition: what many ask for holds often."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to find out about one query."""

    test: Test
    anchors: frozenset[Condition] | None
    """None if the query may hold where nothing does."""
    by_event: bool
    """Whether the test looks at events by themselves."""


def plan(expression: Expression, bit_of: Bits, uses: Uses) -> Plan:
    """The plan for a query."""
    return Plan(
        _test(expression, bit_of), anchors(expression, uses), _by_event(expression)
    )


def _test(expression: Expression, bit_of: Bits) -> Test:
    match expression:
        case Condition():
            bit = bit_of(expression)
            return lambda held, _: held & bit != 0
        case And(parts):
            needed, others = _divided(parts, bit_of)
            if not others:
                return lambda held, _: held & needed == needed
            return lambda held, events: held & needed == needed and all(
                test(held, events) for test in others
            )
        case Or(parts):
            enough, others = _divided(parts, bit_of)
            return lambda held, events: held & enough != 0 or any(
                test(held, events) for test in others
            )
        case Not(part):
            negated = _test(part, bit_of)
            return lambda held, events: not negated(held, events)
        case _:
            of_event = _test(expression.part, bit_of)
            return lambda _, events: any(of_event(held, (held,)) for held in events)


def _by_event(expression: Expression) -> bool:
    match expression:
        case Condition():
            return False
        case And(parts) | Or(parts):
            return any(map(_by_event, parts))
        case Not(part):
            return _by_event(part)
        case _:
            return True


def _divided(parts: Sequence[Expression], bit_of: Bits) -> tuple[Held, list[Test]]:
    """The bits of those parts that are conditions, and the tests of the others."""
    bits = [bit_of(part) for part in parts if isinstance(part, Condition)]
    tests = [_test(part, bit_of) for part in parts if not isinstance(part, Condition)]
    return reduce(or_, bits, 0), tests


def anchors(
    expression: Expression, uses: Uses = lambda _: 1
) -> frozenset[Condition] | None:
    """Conditions of which one at least holds wherever the query does; None if none need to.

    Whoever has an index of keys and values finds all candidates for a query with them.
    """
    found = _weighed(expression, uses)
    return None if found is None else found[1]


def _weighed(
    expression: Expression, uses: Uses
) -> tuple[int, frozenset[Condition]] | None:
    """How often the best anchors may be expected to hold, and the anchors."""
    match expression:
        case Condition():
            return _weight(expression) * uses(expression), frozenset([expression])
        case And(parts):
            each = (_weighed(part, uses) for part in parts)
            return min((found for found in each if found), key=_first, default=None)
        case Or(parts):
            weight, conditions = 0, frozenset[Condition]()
            for part in parts:
                found = _weighed(part, uses)
                if found is None:
                    return None
                weight, conditions = weight + found[0], conditions | found[1]
            return weight, conditions
        case OneEvent(part):
            return _weighed(part, uses)
        case _:
            return None


_first: Callable[[tuple[int, frozenset[Condition]]], int] = itemgetter(0)


def _weight(condition: Condition) -> int:
    if condition.key in ALWAYS:
        return 1000
    match condition.operator:
        case Operator.EQUAL:
            return 1
        case Operator.EXISTS:
            return 100
        case _:
            return 10
