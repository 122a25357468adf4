"""What was found out and is remembered: one bound for all that remember something.

Whoever remembers says how much it takes. When all together it is too much, all is forgotten: what
is asked again soon is soon known again.
"""

from __future__ import annotations

from typing import Protocol

MOST_BYTES = 8 * 2**20
"""Of one set of queries. To forget all of it at once takes a few milliseconds."""

EACH = 256
"""Bytes that anything takes, beside what is in it."""


class Forgetful(Protocol):
    """What can be told to forget."""

    def forget(self) -> None:
        """Forget all. A plain function."""


class Memory:
    """Counts what is remembered."""

    def __init__(self, most: int | None = None) -> None:
        self.taken = 0
        self._most = MOST_BYTES if most is None else most
        self._of: dict[Forgetful, int] = {}

    def take(self, who: Forgetful, size: int) -> None:
        """`who` is about to remember something with so many bytes in it."""
        size += EACH
        if self.taken + size > self._most:
            for each in self._of:
                each.forget()
            self._of.clear()
            self.taken = 0
        self._of[who] = self._of.get(who, 0) + size
        self.taken += size

    def give_back(self, who: Forgetful) -> None:
        """`who` has forgotten all by itself."""
        self.taken -= self._of.pop(who, 0)


def size_of(held: int) -> int:
    """The bytes of a set of conditions."""
    return held.bit_length() // 8
