from __future__ import annotations

from trio_stream.cometbft.queries import (
    EVERYTHING,
    And,
    Condition,
    Generation,
    Kind,
    Not,
    OneEvent,
    Operator,
    Or,
    conditions,
)


def exists(key: str) -> Condition:
    return Condition(key, Operator.EXISTS, Kind.TEXT, "", Generation.FROM_0_38)


def test_the_conditions_of_a_query_in_order() -> None:
    a, b, c, d = map(exists, "abcd")
    query = And((a, Or((b, Not(c))), OneEvent(And((d, a)))))
    assert list(conditions(query)) == [a, b, c, d, a]
    assert list(conditions(EVERYTHING)) == []


def test_equal_queries_are_equal() -> None:
    assert {And((exists("a"),)), And((exists("a"),))} == {And((exists("a"),))}
