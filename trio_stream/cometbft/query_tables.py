"""All conditions on one key, asked at once: a value to the set of those that it satisfies.

A set of conditions is a number with a bit for each. Equal texts are looked up; thresholds of a
scale are sorted, and those below or above a value are one search and a few operations away,
however many they are. Texts to be contained are tried one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from trio_stream.cometbft.comparisons import (
    Comparable,
    Scale,
    operand_of,
    read,
    scale_of,
)
from trio_stream.cometbft.queries import Condition, Kind, Operator

MAX_REMEMBERED = 1024
"""Values of one key whose conditions are remembered: in a block the same ones come again."""

MAX_VALUE = 256
"""Characters of a value that is remembered."""

STRIDE = 16
"""Thresholds between two sets that are kept ready: memory is in proportion to n * n / STRIDE."""


class Table:
    """The conditions on one key, each with its bit."""

    def __init__(self) -> None:
        self.bits: dict[Condition, int] = {}
        self.effort = 1
        """What it may cost to look at one value, against that of looking it up."""
        self._operands: dict[Condition, Comparable] = {}
        self._remembered: dict[str, int] = {}
        self._stale = True
        self._exists = 0
        self._equal: dict[str, int] = {}
        self._contained: list[tuple[str, int]] = []
        self._ladders: list[tuple[Scale, _Ladder]] = []

    def add(self, condition: Condition, bit: int) -> None:
        self.bits[condition] = bit
        if condition.kind is not Kind.TEXT:
            # Here, so that there is less to do when a block comes.
            self._operands[condition] = operand_of(condition)
        self.effort += condition.operator is Operator.CONTAINS
        self._stale = True

    def discard(self, condition: Condition) -> None:
        del self.bits[condition]
        self._operands.pop(condition, None)
        self.effort -= condition.operator is Operator.CONTAINS
        self._stale = True

    def satisfied(self, value: str) -> int:
        """The conditions that hold of this value."""
        if self._stale:
            self._build()
        if not (self._contained or self._ladders):
            return self._exists | self._equal.get(value, 0)
        found = self._remembered.get(value)
        if found is None:
            found = self._find(value)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            if len(value) <= MAX_VALUE:
                self._remembered[value] = found
        return found

    def _find(self, value: str) -> int:
        found = self._exists | self._equal.get(value, 0)
        for text, bit in self._contained:
            if text in value:
                found |= bit
        for scale, ladder in self._ladders:
            number = read(scale, value)
            if number is not None:
                found |= ladder.satisfied(number)
        return found

    def _build(self) -> None:
        self._stale = False
        self._remembered.clear()
        self._exists, self._equal, self._contained = 0, {}, []
        scales: dict[Scale, list[_Threshold]] = {}
        for condition, bit in self.bits.items():
            if condition.operator is Operator.EXISTS:
                self._exists |= bit
            elif condition.operator is Operator.CONTAINS:
                self._contained.append((condition.operand, bit))
            elif condition.kind is Kind.TEXT:
                self._equal[condition.operand] = (
                    self._equal.get(condition.operand, 0) | bit
                )
            else:
                threshold = (condition.operator, self._operands[condition], bit)
                scales.setdefault(scale_of(condition), []).append(threshold)
        self._ladders = [(scale, _Ladder(found)) for scale, found in scales.items()]


_Threshold = tuple[Operator, Comparable, int]
"""What is asked, against what, and its bit."""


class _Ladder:
    """The thresholds of one scale."""

    def __init__(self, found: Iterable[_Threshold]) -> None:
        self._equal: dict[Comparable, int] = {}
        above: list[tuple[Comparable, int, int]] = []
        below: list[tuple[Comparable, int, int]] = []
        for operator, at, bit in found:
            # In order of what they take: from `<= 5` on up to `< 5`, and `>= 5` before `> 5`.
            match operator:
                case Operator.GREATER:
                    above.append((at, 1, bit))
                case Operator.AT_LEAST:
                    above.append((at, 0, bit))
                case Operator.LESS:
                    below.append((at, 0, bit))
                case Operator.AT_MOST:
                    below.append((at, 1, bit))
                case _:
                    self._equal[at] = self._equal.get(at, 0) | bit
        self._above = _Sorted(above)
        self._below = _Sorted(below)

    def satisfied(self, number: Comparable) -> int:
        return (
            self._equal.get(number, 0)
            | self._above.before((number, 1))
            | self._below.from_on((number, 1))
        )


class _Sorted:
    """Bits in order of their thresholds, and the sets of all before or after one."""

    def __init__(self, found: list[tuple[Comparable, int, int]]) -> None:
        found.sort(key=lambda each: each[:2])
        self._keys = [each[:2] for each in found]
        self._bits = [each[2] for each in found]
        self._all = _union(self._bits)
        self._ready = [0]
        for start in range(0, len(self._bits), STRIDE):
            self._ready.append(
                self._ready[-1] | _union(self._bits[start : start + STRIDE])
            )

    def before(self, key: tuple[Comparable, int]) -> int:
        return self._first(bisect_left(self._keys, key))

    def from_on(self, key: tuple[Comparable, int]) -> int:
        # Each bit is there once.
        return self._all ^ self._first(bisect_left(self._keys, key))

    def _first(self, count: int) -> int:
        whole = count // STRIDE
        return self._ready[whole] | _union(self._bits[whole * STRIDE : count])


def _union(bits: Sequence[int]) -> int:
    found = 0
    for bit in bits:
        found |= bit
    return found
