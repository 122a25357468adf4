"""What was found out and is remembered: one bound for all dictionaries that remember something.

When all together take too much, all are emptied: what is asked again soon is soon known again.
"""

from __future__ import annotations

from typing import Any, TypeVar

MOST_BYTES = 8 * 2**20
"""Of one set of queries. To forget all of it at once takes a few milliseconds."""

EACH = 256
"""Bytes that anything takes, beside what is in it."""

K = TypeVar("K")
V = TypeVar("V")


class Memory:
    """Counts what is remembered.

    It knows the dictionaries, and not whose they are, so that those can be forgotten themselves.
    """

    def __init__(self, most: int | None = None) -> None:
        self.taken = 0
        self._most = MOST_BYTES if most is None else most
        self._of: dict[int, tuple[dict[Any, Any], int]] = {}
        """Each dictionary by its identity, and what it takes."""

    def keep(self, remembered: dict[K, V], key: K, value: V, size: int) -> None:
        """Remember something new with so many bytes in it."""
        size += EACH
        if self.taken + size > self._most:
            for each, _ in self._of.values():
                each.clear()
            self._of.clear()
            self.taken = 0
        _, before = self._of.get(id(remembered), (remembered, 0))
        self._of[id(remembered)] = remembered, before + size
        self.taken += size
        remembered[key] = value

    def forget(self, remembered: dict[K, V]) -> None:
        """Empty one of them."""
        remembered.clear()
        _, size = self._of.pop(id(remembered), (remembered, 0))
        self.taken -= size


def size_of(held: int) -> int:
    """The bytes of a set of conditions."""
    return held.bit_length() // 8
