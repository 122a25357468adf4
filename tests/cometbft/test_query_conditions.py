from __future__ import annotations

import pytest

from tests.cometbft.made import OLD
from trio_stream.cometbft import query_conditions
from trio_stream.cometbft.queries import Condition, Generation
from trio_stream.cometbft.query_conditions import NOTHING, Conditions
from trio_stream.cometbft.query_memory import Memory
from trio_stream.cometbft.query_parser import parse


def condition(text: str, generation: Generation = Generation.FROM_0_38) -> Condition:
    found = parse(text, generation)
    assert isinstance(found, Condition)
    return found


def test_each_has_a_bit_as_long_as_it_is_used() -> None:
    found = Conditions(Memory())
    one, two, three = (condition(f"a.b = {n}") for n in range(3))
    for each in (one, two, two):
        found.add(each)
    assert found.bits == {one: 1, two: 2} and found.uses == {one: 1, two: 2}
    found.discard(two)
    assert two in found.bits
    found.discard(one)
    # Its bit is free.
    found.add(three)
    assert found.bits == {three: 1, two: 2}
    (table,) = found.asked_of("a", "b").tables
    assert [table.satisfied(str(n)) for n in range(3)] == [0, 2, 1]
    for each in (two, three):
        found.discard(each)
    assert not found.bits and not found.uses
    assert found.asked_of("a", "b") == NOTHING


def test_what_is_asked_of_a_key() -> None:
    found = Conditions(Memory())
    typed, prefix, longer, both = (
        condition("slash EXISTS"),
        condition("sl EXISTS", OLD),
        condition("slas EXISTS", OLD),
        condition("slash.power > 5", OLD),
    )
    for each in (typed, prefix, longer, both):
        found.add(each)
    asked = found.asked_of("slash", "power")
    assert asked.present == sum(found.bits[each] for each in (typed, prefix, longer))
    assert [table.satisfied("6") for table in asked.tables] == [found.bits[both]]
    assert found.by_key == {("slash", "power"): asked}
    assert found.asked_of("sl", "x").present == found.bits[prefix]
    assert found.asked_of("", "power") == found.asked_of("slash", "") == NOTHING
    for each in (longer, typed, prefix):
        found.discard(each)
        assert not found.by_key
    assert found.asked_of("slash", "power").present == 0


def test_keys_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_conditions, "MAX_KEYS", 4)
    found = Conditions(Memory())
    found.add(condition("a.x1 EXISTS"))
    for number in range(10):
        found.asked_of("a", f"x{number}")
        assert len(found.by_key) <= 4
    kept = dict(found.by_key)
    found.asked_of("a", "x" * 300)
    assert found.by_key == kept
