"""Streams of several nodes, compared as they come: each event must be the same in all.

Nothing is kept of an event but a digest, from when the first stream has it until the last one has.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence

import trio

MOST_AHEAD = 100_000
"""So many events a stream may be ahead of the slowest, at 100 bytes each; then it waits."""


class Differs(Exception):
    """Two streams have different events in the same place."""


class Comparison:
    """How far each stream has come, and how far they agree."""

    def __init__(self, names: Sequence[str], *, most_ahead: int = MOST_AHEAD) -> None:
        self.counts = dict.fromkeys(names, 0)
        """How many events each has brought."""
        self.agreed = 0
        """How many events are the same in all."""
        self._most_ahead = most_ahead
        self._begun: deque[tuple[str, bytes]] = deque()
        self._grown = trio.Event()

    async def take(self, name: str, message: str) -> None:
        """Compare the next event of this stream; waits while the others are too far behind.

        Raises Differs.
        """
        await trio.lowlevel.checkpoint()
        while self.counts[name] - self.agreed >= self._most_ahead:
            await self._grown.wait()
        digest = hashlib.sha256(message.encode()).digest()
        place = self.counts[name] - self.agreed
        if place == len(self._begun):
            self._begun.append((name, digest))
        elif self._begun[place][1] != digest:
            raise Differs(
                f"event {self.counts[name] + 1} is not the same at {self._begun[place][0]} and"
                f" at {name}, where it is {message[:500]}"
            )
        self.counts[name] += 1
        self._agree()

    def _agree(self) -> None:
        slowest = min(self.counts.values())
        if slowest > self.agreed:
            while self.agreed < slowest:
                self._begun.popleft()
                self.agreed += 1
            self._grown.set()
            self._grown = trio.Event()
