"""How long something took, each time it was done: few numbers, however often that was.

A room that does it adds each duration, which takes a quarter of a microsecond; whoever wants to
know takes the distribution. One thread adds; others may look at any time.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final, NamedTuple

BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Seconds up to which durations are counted together; the last count has no bound."""


class Distribution(NamedTuple):
    """Durations so far."""

    up_to: tuple[int, ...]
    """For each of `BOUNDS`, how many took no longer; then, how many there were."""
    total: float
    """Seconds that all of them took."""


class Durations:
    """The durations of one kind of work."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._total += seconds

    def distribution(self) -> Distribution:
        """All durations so far."""
        return Distribution(tuple(accumulate(self._counts)), self._total)
