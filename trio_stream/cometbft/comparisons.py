"""When a value, which is always a text, is less than, equal to or greater than an operand.

From 0.38 on a value counts as the number that it begins with, decimal and exact (`8atom` is 8,
`-5` is none), a DATE is compared with values that are dates and a TIME with those that are times.
Up to 0.37 the number may stand anywhere in the value, against an operand without a point only its
whole part counts, against one with a point both are binary floating point, and whether a value is
read as date or time depends on the value.

Up to 0.37 a value that cannot be read is an error that ends the whole delivery, to other
subscribers too; here it just does not hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum

from trio_stream.cometbft.instants import read_date, read_time
from trio_stream.cometbft.queries import Condition, Generation, Kind

Comparable = Decimal | float | int

LEADING = re.compile(r"[0-9]+(?:\.[0-9]*)?")
ANYWHERE = re.compile(r"[0-9.]+")

BITS = 125
"""Of a number that is not written as a plain integer, from 0.38 on: the engine rounds it."""
EXACT_DIGITS = 37
"""Digits of an integer that needs no rounding."""
MAX_DIGITS = 1024
"""A value with more digits is no number: it would take longer than linear time to read."""


class Scale(Enum):
    """What a value is read as before it is compared."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    OLD_WHOLE = "the whole part of a number, up to 0.37"
    OLD_FLOAT = "a floating-point number, up to 0.37"
    OLD_INSTANT = "a date or a time, up to 0.37"


def scale_of(condition: Condition) -> Scale:
    """What values are read as for this condition, whose operand is no text."""
    if condition.generation is Generation.FROM_0_38:
        if condition.kind is Kind.NUMBER:
            return Scale.NUMBER
        return Scale.DATE if condition.kind is Kind.DATE else Scale.TIME
    if condition.kind is not Kind.NUMBER:
        return Scale.OLD_INSTANT
    return Scale.OLD_FLOAT if "." in condition.operand else Scale.OLD_WHOLE


def read(scale: Scale, value: str) -> Comparable | None:
    """The value on that scale, or None if it has no place there."""
    return READERS[scale](value)


def operand_of(condition: Condition) -> Comparable:
    """The condition's operand on its scale."""
    found = read(scale_of(condition), condition.operand)
    # The parser has read it before.
    assert found is not None
    return found


def _number(value: str) -> Decimal | None:
    found = LEADING.match(value)
    if found is None or found.end() > MAX_DIGITS:
        return None
    whole, _, part = found[0].partition(".")
    if not part and (whole == value or len(whole) <= EXACT_DIGITS):
        return Decimal(whole)
    return _rounded(int(whole + part), 10 ** len(part))


def _rounded(top: int, bottom: int) -> Decimal:
    """The nearest number of so many bits to top / bottom; of two, the even one."""
    power = top.bit_length() - bottom.bit_length() - BITS
    if power >= 0:
        bottom <<= power
    else:
        top <<= -power
    if top >= bottom << BITS:
        power += 1
        bottom <<= 1
    mantissa, rest = divmod(top, bottom)
    if rest * 2 > bottom or (rest * 2 == bottom and mantissa % 2):
        mantissa += 1
    if power >= 0:
        return Decimal(mantissa << power)
    return Decimal(f"{mantissa * 5**-power}E{power}")


def _old_whole(value: str) -> Decimal | None:
    found = ANYWHERE.search(value)
    if found is None or ("." in found[0] and _old_float(value) is None):
        return None
    whole = found[0].partition(".")[0]
    return Decimal(whole) if whole and len(whole) <= MAX_DIGITS else None


def _old_float(value: str) -> float | None:
    found = ANYWHERE.search(value)
    try:
        number = float(found[0]) if found else math.inf
    except ValueError:
        return None
    return None if math.isinf(number) else number


def _old_instant(value: str) -> int | None:
    return read_time(value) if "T" in value else read_date(value)


READERS: dict[Scale, Callable[[str], Comparable | None]] = {
    Scale.NUMBER: _number,
    Scale.DATE: read_date,
    Scale.TIME: read_time,
    Scale.OLD_WHOLE: _old_whole,
    Scale.OLD_FLOAT: _old_float,
    Scale.OLD_INSTANT: _old_instant,
}
