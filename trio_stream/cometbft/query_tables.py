"""All conditions on one key, asked at once: a value to the set of those that it satisfies.

A set of conditions is a number with a bit for each. Equal texts are looked up; thresholds of a
scale are sorted, and those below or above a value are one search and a few operations away,
however many they are. Texts to be contained are tried one by one, so many at a time.

A condition is added or discarded without a look at most of the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from trio_stream.cometbft.comparisons import (
    Comparable,
    Scale,
    operand_of,
    read,
    scale_of,
)
from trio_stream.cometbft.queries import Condition, Kind, Operator
from trio_stream.cometbft.query_memory import Memory, size_of

MAX_REMEMBERED = 1024
"""Values of one key whose conditions are remembered: in a block the same ones come again."""

MAX_VALUE = 256
"""Characters of a value that is remembered."""

STRIDE = 16
"""Thresholds between two sets that are kept ready: memory is in proportion to n * n / STRIDE."""

TRIED = 16
"""Texts that are tried in the time that an attribute takes otherwise."""

LONG = 128
"""Characters of a value in which a text is looked for in that time: a short one takes longest."""

AT_ONCE = 500
"""Of such times, after which others may have a turn."""


class Table:
    """The conditions on one key, each with its bit."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.tried = 0
        """How many texts are tried one by one; if there are any, `gradually` is the way to ask."""
        self._memory = Memory() if memory is None else memory
        self._remembered: dict[str, int] = {}
        self._count = 0
        self._exists = 0
        self._equal: dict[str, int] = {}
        self._contained: dict[str, int] = {}
        self._texts: Sequence[tuple[str, int]] | None = ()
        self._ladders: dict[Scale, _Ladder] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, condition: Condition, bit: int) -> None:
        """Ask for a condition that is new."""
        self._count += 1
        if condition.operator is Operator.EXISTS:
            self._exists |= bit
        elif condition.kind is Kind.TEXT:
            _change(self._texts_of(condition), condition.operand, bit)
        else:
            ladder = self._ladders.setdefault(scale_of(condition), _Ladder())
            ladder.add(condition.operator, operand_of(condition), bit)
        self._change()

    def discard(self, condition: Condition, bit: int) -> None:
        """Ask no longer for a condition that was added with that bit."""
        self._count -= 1
        if condition.operator is Operator.EXISTS:
            self._exists ^= bit
        elif condition.kind is Kind.TEXT:
            _change(self._texts_of(condition), condition.operand, bit)
        else:
            scale = scale_of(condition)
            ladder = self._ladders[scale]
            ladder.discard(condition.operator, operand_of(condition), bit)
            if not len(ladder):
                del self._ladders[scale]
        self._change()

    def satisfied(self, value: str) -> int:
        """The conditions that hold of this value."""
        if not (self._contained or self._ladders):
            return self._exists | self._equal.get(value, 0)
        found = self._remembered.get(value)
        if found is None:
            found = self._looked_up(value)
            for text, bit in self._contained.items():
                if text in value:
                    found |= bit
            self._remember(value, found)
        return found

    def gradually(self, value: str) -> Iterator[tuple[int, int]]:
        """The same in parts: some conditions that hold, and what it took to find them.

        That is one for what one looks up.
        """
        found = self._remembered.get(value)
        if found is not None:
            yield found, 1
            return
        found = self._looked_up(value)
        if self._texts is None:
            self._texts = tuple(self._contained.items())
        each = 1 / TRIED + len(value) / LONG
        count = max(1, int(AT_ONCE / each))
        for start in range(0, len(self._texts), count):
            some = self._texts[start : start + count]
            for text, bit in some:
                if text in value:
                    found |= bit
            yield found, 1 + int(len(some) * each)
        self._remember(value, found)

    def _looked_up(self, value: str) -> int:
        found = self._exists | self._equal.get(value, 0)
        for scale, ladder in self._ladders.items():
            number = read(scale, value)
            if number is not None:
                found |= ladder.satisfied(number)
        return found

    def _remember(self, value: str, found: int) -> None:
        if len(value) > MAX_VALUE:
            return
        if len(self._remembered) >= MAX_REMEMBERED:
            self._memory.forget(self._remembered)
        size = len(value) + size_of(found)
        self._memory.keep(self._remembered, value, found, size)

    def _texts_of(self, condition: Condition) -> dict[str, int]:
        return self._equal if condition.operator is Operator.EQUAL else self._contained

    def _change(self) -> None:
        self.tried = len(self._contained)
        self._texts = None
        if self._remembered:
            self._memory.forget(self._remembered)


def _change(bits: dict[str, int], text: str, bit: int) -> None:
    """Add that bit, or take it away if it is there."""
    changed = bits.get(text, 0) ^ bit
    if changed:
        bits[text] = changed
    else:
        del bits[text]


class _Ladder:
    """The thresholds of one scale."""

    def __init__(self) -> None:
        self._count = 0
        self._equal: dict[Comparable, int] = {}
        self._above = _Sorted()
        self._below = _Sorted()

    def __len__(self) -> int:
        return self._count

    def add(self, operator: Operator, at: Comparable, bit: int) -> None:
        self._count += 1
        if operator is Operator.EQUAL:
            self._equal[at] = self._equal.get(at, 0) | bit
        else:
            self._side(operator).add(_key(operator, at), bit)

    def discard(self, operator: Operator, at: Comparable, bit: int) -> None:
        self._count -= 1
        if operator is Operator.EQUAL:
            self._equal[at] ^= bit
            if not self._equal[at]:
                del self._equal[at]
        else:
            self._side(operator).discard(_key(operator, at), bit)

    def satisfied(self, number: Comparable) -> int:
        return (
            self._equal.get(number, 0)
            | self._above.before((number, 1))
            | self._below.from_on((number, 1))
        )

    def _side(self, operator: Operator) -> _Sorted:
        above = operator is Operator.GREATER or operator is Operator.AT_LEAST
        return self._above if above else self._below


_Key = tuple[Comparable, int]
"""Thresholds in order of what they take: from `<= 5` on up to `< 5`, and `>= 5` before `> 5`."""


def _key(operator: Operator, at: Comparable) -> _Key:
    return at, int(operator is Operator.GREATER or operator is Operator.AT_MOST)


class _Sorted:
    """Bits in order of their thresholds, and the sets of all before or after one."""

    def __init__(self) -> None:
        self._keys: list[_Key] = []
        self._bits: list[int] = []
        self._all = 0
        self._ready = [0]
        """The first so many times STRIDE of them, as far as it was asked for."""

    def add(self, key: _Key, bit: int) -> None:
        at = bisect_left(self._keys, key)
        self._keys.insert(at, key)
        self._bits.insert(at, bit)
        self._all |= bit
        del self._ready[at // STRIDE + 1 :]

    def discard(self, key: _Key, bit: int) -> None:
        at = self._bits.index(bit, bisect_left(self._keys, key))
        del self._keys[at], self._bits[at], self._ready[at // STRIDE + 1 :]
        self._all ^= bit

    def before(self, key: _Key) -> int:
        return self._first(bisect_left(self._keys, key))

    def from_on(self, key: _Key) -> int:
        # Each bit is there once.
        return self._all ^ self._first(bisect_left(self._keys, key))

    def _first(self, count: int) -> int:
        whole = count // STRIDE
        while len(self._ready) <= whole:
            end = len(self._ready) * STRIDE
            self._ready.append(self._ready[-1] | _union(self._bits[end - STRIDE : end]))
        return self._ready[whole] | _union(self._bits[whole * STRIDE : count])


def _union(bits: Sequence[int]) -> int:
    found = 0
    for bit in bits:
        found |= bit
    return found
