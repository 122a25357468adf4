from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.cometbft import made
from tests.cometbft.naive import old_value_holds, value_holds
from trio_stream.cometbft.queries import Condition, Generation, Operator
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.query_tables import (
    AT_ONCE,
    MAX_REMEMBERED,
    MAX_VALUE,
    TRIED,
    Table,
)


def condition(text: str) -> Condition:
    found = parse(text)
    assert isinstance(found, Condition)
    return found


def naively(each: Condition, value: str) -> bool:
    if each.operator is Operator.EXISTS:
        return True
    old = each.generation is Generation.UP_TO_0_37
    return old_value_holds(each, value) if old else value_holds(each, value)


@given(
    st.sampled_from(Generation).flatmap(
        lambda generation: st.lists(
            made.conditions(generation), max_size=40, unique=True
        )
    ),
    st.lists(made.VALUES, max_size=6),
    st.data(),
)
def test_a_value_satisfies_what_it_satisfies_one_by_one(
    conditions: list[Condition], values: list[str], data: st.DataObject
) -> None:
    table = Table()
    for number, each in enumerate(conditions):
        table.add(each, 1 << number)
    gone = data.draw(st.sets(st.sampled_from(conditions))) if conditions else set()
    for value in values * 2:
        expected = sum(
            1 << number
            for number, each in enumerate(conditions)
            if naively(each, value)
        )
        assert table.satisfied(value) == expected
    for each in gone:
        table.discard(each, 1 << conditions.index(each))
    assert len(table) == len(conditions) - len(gone)
    for value in values:
        expected = sum(
            1 << number
            for number, each in enumerate(conditions)
            if each not in gone and naively(each, value)
        )
        assert table.satisfied(value) == expected


def test_one_text_of_two_generations() -> None:
    table = Table()
    for number, generation in enumerate(Generation):
        found = parse("a = 'x'", generation)
        assert isinstance(found, Condition)
        table.add(found, 1 << number)
    assert table.satisfied("x") == 3


def test_many_thresholds() -> None:
    table = Table()
    signs = ["<", "<=", ">", ">=", "="]
    conditions = [condition(f"a {sign} {n}") for n in range(100) for sign in signs]
    for number, each in enumerate(conditions):
        table.add(each, 1 << number)
    for value in range(-1, 102):
        expected = sum(
            1 << number
            for number, each in enumerate(conditions)
            if naively(each, f"{value}")
        )
        assert table.satisfied(f"{value}") == expected


def test_texts_are_tried_so_many_at_a_time() -> None:
    table = Table()
    for number in range(3000):
        table.add(condition(f"a CONTAINS 'x{number}y'"), 1 << number)
    table.add(condition("a > 3"), 1 << 3000)
    assert table.tried == 3000
    for value in ("4", "4" * 100_000 + "x7y"):
        parts = list(table.gradually(value))
        assert all(cost <= 2 * AT_ONCE for _, cost in parts)
        assert parts[-1][0] == table.satisfied(value)
        assert sum(cost for _, cost in parts) >= 3000 // TRIED
    assert len(parts) > 50
    # Short ones are remembered.
    assert list(table.gradually("4")) == [(1 << 3000, 1)]


def test_values_beyond_what_is_remembered() -> None:
    table = Table()
    table.add(condition("a CONTAINS '7'"), 1)
    for value in range(MAX_REMEMBERED + 10):
        assert table.satisfied(f"{value}") == ("7" in f"{value}")
    assert table.satisfied("7" * (MAX_VALUE + 1)) == 1
