from __future__ import annotations

import pytest

from trio_stream.cometbft.queries import EVERYTHING, Condition, OneEvent, Or, conditions
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.query_plan import Plan, anchors, plan

KEYS = ["tm.event", "a", "b", "c", "d"]


def planned(text: str, *, one_event: bool = False, uses: int = 1) -> Plan:
    query = parse(text)
    return plan(
        OneEvent(query) if one_event else query,
        lambda condition: 1 << KEYS.index(condition.key),
        lambda condition: uses if condition.key == "a" else 1,
    )


def keys_of(found: Plan) -> list[str] | None:
    if found.anchors is None:
        return None
    return sorted((each.key for each in found.anchors), key=KEYS.index)


@pytest.mark.parametrize(
    ("text", "uses", "expected"),
    [
        ("a=1", 1, ["a"]),
        ("tm.event='Tx' AND a>1", 1, ["a"]),
        ("a>1 AND b='x'", 1, ["b"]),
        ("a EXISTS AND b>1", 1, ["b"]),
        ("a='x' AND b>1", 1, ["a"]),
        # What many ask for holds often.
        ("a='x' AND b>1", 100, ["b"]),
        ("a=1 OR b=1", 1, ["a", "b"]),
        ("(a=1 OR b>1) AND c CONTAINS 'x'", 1, ["c"]),
        ("NOT a=1", 1, None),
        ("a=1 OR NOT b=1", 1, None),
        ("a=1 AND NOT b=1", 1, ["a"]),
    ],
)
def test_anchors(text: str, uses: int, expected: list[str] | None) -> None:
    assert keys_of(planned(text, uses=uses)) == expected
    assert keys_of(planned(text, uses=uses, one_event=True)) == expected


def test_anchors_for_whoever_has_an_index_of_values() -> None:
    query = parse("tm.event='Tx' AND (a='x' OR b IN (1, 2)) AND NOT c=1")
    a, b = parse("a='x'"), parse("b IN (1, 2)")
    assert anchors(query) == frozenset([*conditions(a), *conditions(b)])
    assert anchors(parse("NOT a=1")) is None
    assert anchors(Or(())) == frozenset()


def no_condition(_: Condition) -> int:
    raise AssertionError


def test_a_query_without_conditions_always_holds() -> None:
    found = plan(EVERYTHING, no_condition, no_condition)
    assert (found.anchors, found.by_event) == (None, False)
    assert found.test(0, ())


@pytest.mark.parametrize(
    ("text", "held", "holds"),
    [
        ("a=1", "a", True),
        ("a=1", "b", False),
        ("a=1 AND b=1", "a", False),
        ("a=1 AND b=1", "abc", True),
        ("a=1 AND (b=1 OR c=1)", "ac", True),
        ("a=1 AND (b=1 OR c=1)", "cb", False),
        ("a=1 OR b=1 AND c=1", "bc", True),
        ("a=1 OR b=1 AND c=1", "b", False),
        ("NOT a=1", "b", True),
        ("NOT a=1", "a", False),
        ("NOT (a=1 AND b=1) AND c=1", "ac", True),
    ],
)
def test_whether_a_query_holds(text: str, held: str, holds: bool) -> None:
    bits = sum(1 << KEYS.index(key) for key in held)
    assert planned(text).test(bits, ()) is holds
    # As much in one of several events.
    assert planned(text, one_event=True).test(0, (bits,)) is holds


def test_conditions_of_one_event() -> None:
    both = planned("a=1 AND b=1", one_event=True)
    a, b = 1 << KEYS.index("a"), 1 << KEYS.index("b")
    assert not both.test(a | b, (a, b))
    assert both.test(a | b, (a, a | b))
    assert both.by_event
    nested = plan(parse("NOT (a=1 OR b=1)"), lambda _: 1, lambda _: 1)
    assert not nested.by_event
