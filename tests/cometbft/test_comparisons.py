from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cometbft.made import NEW, OLD
from trio_stream.cometbft.comparisons import (
    BITS,
    MAX_DIGITS,
    Scale,
    operand_of,
    read,
    scale_of,
)
from trio_stream.cometbft.queries import Condition, Kind, Operator

NOON = 1_367_592_300 * 10**9
DAY = 1_367_539_200 * 10**9


@pytest.mark.parametrize(
    ("scale", "value", "number"),
    [
        (Scale.NUMBER, "8", Decimal(8)),
        (Scale.NUMBER, "08", Decimal(8)),
        (Scale.NUMBER, "8atom", Decimal(8)),
        (Scale.NUMBER, "6.5stake", Decimal("6.5")),
        (Scale.NUMBER, "5uatom,3uosmo", Decimal(5)),
        (Scale.NUMBER, "5.", Decimal(5)),
        (Scale.NUMBER, "5.x", Decimal(5)),
        (Scale.NUMBER, "1.2.3", read(Scale.NUMBER, "1.2")),
        (Scale.NUMBER, "9" * 100, Decimal("9" * 100)),
        (Scale.NUMBER, "-5", None),
        (Scale.NUMBER, "+5", None),
        (Scale.NUMBER, ".5", None),
        (Scale.NUMBER, "x5", None),
        (Scale.NUMBER, "", None),
        (Scale.NUMBER, "٥", None),
        (Scale.NUMBER, "0." + "0" * 50, Decimal(0)),
        (Scale.NUMBER, "1" * (MAX_DIGITS + 1), None),
        (Scale.DATE, "2013-05-03", DAY),
        (Scale.DATE, "2013-05-03T14:45:00Z", None),
        (Scale.TIME, "2013-05-03T14:45:00Z", NOON),
        (Scale.TIME, "2013-05-03", None),
        (Scale.OLD_INSTANT, "2013-05-03", DAY),
        (Scale.OLD_INSTANT, "2013-05-03T14:45:00Z", NOON),
        (Scale.OLD_INSTANT, "x", None),
        (Scale.OLD_WHOLE, "8", Decimal(8)),
        (Scale.OLD_WHOLE, "x8y9", Decimal(8)),
        (Scale.OLD_WHOLE, "8.9", Decimal(8)),
        (Scale.OLD_WHOLE, "8.9.1", None),
        (Scale.OLD_WHOLE, ".9", None),
        (Scale.OLD_WHOLE, "x", None),
        (Scale.OLD_WHOLE, "9" * 400, Decimal("9" * 400)),
        (Scale.OLD_WHOLE, "9" * 400 + ".5", None),
        (Scale.OLD_WHOLE, "1" * (MAX_DIGITS + 1), None),
        (Scale.OLD_FLOAT, "8.9", 8.9),
        (Scale.OLD_FLOAT, "about .5", 0.5),
        (Scale.OLD_FLOAT, "8", 8.0),
        (Scale.OLD_FLOAT, ".", None),
        (Scale.OLD_FLOAT, "x", None),
        (Scale.OLD_FLOAT, "9" * 400, None),
    ],
)
def test_what_a_value_is_read_as(scale: Scale, value: str, number: object) -> None:
    assert read(scale, value) == number


@pytest.mark.parametrize(
    ("kind", "operand", "new", "old"),
    [
        (Kind.NUMBER, "5", Scale.NUMBER, Scale.OLD_WHOLE),
        (Kind.NUMBER, "5.", Scale.NUMBER, Scale.OLD_FLOAT),
        (Kind.TIME, "2013-05-03T14:45:00Z", Scale.TIME, Scale.OLD_INSTANT),
        (Kind.DATE, "2013-05-03", Scale.DATE, Scale.OLD_INSTANT),
    ],
)
def test_the_scale_of_a_condition(
    kind: Kind, operand: str, new: Scale, old: Scale
) -> None:
    for generation, scale in ((NEW, new), (OLD, old)):
        condition = Condition("a", Operator.LESS, kind, operand, generation)
        assert scale_of(condition) is scale
        assert operand_of(condition) == read(scale, operand)


def test_numbers_with_many_digits_are_rounded_as_in_the_engine() -> None:
    # Just beyond 125 bits, so that the last one is lost.
    whole = 2**BITS + 1
    assert read(Scale.NUMBER, f"{whole}") == whole
    assert read(Scale.NUMBER, f"{whole}atom") == 2**BITS
    assert read(Scale.NUMBER, f"{whole + 2}.0") == whole + 3
    assert read(Scale.NUMBER, "0." + "3" * 40) != read(Scale.NUMBER, "0." + "3" * 36)
    assert read(Scale.NUMBER, "0." + "3" * 60) == read(Scale.NUMBER, "0." + "3" * 61)


@given(st.integers(0, 10**60), st.integers(1, 10**60 - 1))
def test_rounding_is_to_the_nearest(whole: int, part: int) -> None:
    text = f"{whole}.{part:060}"
    found = read(Scale.NUMBER, text)
    assert isinstance(found, Decimal)
    exact, rounded = Fraction(text), Fraction(found)
    power = 0
    while exact >= Fraction(2) ** power:
        power += 1
    while exact < Fraction(2) ** (power - 1):
        power -= 1
    last_bit = Fraction(2) ** (power - BITS)
    assert abs(exact - rounded) <= last_bit / 2
    assert (rounded / last_bit).denominator == 1
