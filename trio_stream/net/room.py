"""Room for the bytes that all requests and answers in progress hold together.

A connection that wants more than is left waits for it, first come, first served; meanwhile its
peer is not read from. If there is no room in time the request gets 503. Peers that neither send
nor read what they should hold bytes too, so those that have done so longest give way (`make_way`).
The last eighth is reserved for small requests and answers, so that these are served whatever large
ones there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

PATIENCE: Final = 10.0
"""Seconds to wait for room."""
SMALL: Final = 64 * 1024
"""A connection is small while it holds no more bytes than this."""


@dataclass(slots=True, eq=False)
class _Asking:
    count: int
    limit: int
    granted: trio.Event = field(default_factory=trio.Event)


class Room:
    """At most `limit` bytes, of which `taken` are in use.

    `make_way` ends connections that are due, to free the given number of bytes, and returns the
    time at which to call it again. Connections that are not small await a `turn` for more bytes,
    one after another.
    """

    def __init__(
        self,
        limit: int,
        make_way: Callable[[int], float],
        turn: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        self.taken = 0
        self._limit = limit
        self._large = limit - limit // 8
        self._make_way = make_way
        self._turn = turn
        self._next = trio.Lock()
        self._asking: deque[_Asking] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for bytes to become available."""
        return len(self._asking)

    async def take(self, count: int, *, small: bool) -> bool:
        """Take `count` bytes; False if they do not become available in time."""
        limit = self._limit if small else self._large
        if not small:
            # Only one of us at a time is in the queue for turns, which others use too.
            async with self._next:
                await self._turn()
        if self.taken + count <= limit and (small or not self._asking):
            self.taken += count
            return True
        return await self._wait(_Asking(count, limit))

    def take_now(self, count: int, *, small: bool) -> bool:
        """Take `count` bytes if there is room now; if not, room is made for later requests."""
        limit = self._limit if small else self._large
        if self.taken + count > limit:
            self._make_way(count)
            return False
        self.taken += count
        return True

    def give_back(self, count: int) -> None:
        """Free `count` bytes."""
        self.taken -= count
        self._grant()

    async def _wait(self, asking: _Asking) -> bool:
        self._asking.append(asking)
        kept = False
        try:
            with trio.move_on_after(PATIENCE):
                while not asking.granted.is_set():
                    again = self._make_way(asking.count)
                    with trio.move_on_at(again):
                        await asking.granted.wait()
            kept = asking.granted.is_set()
            return kept
        finally:
            if asking.granted.is_set():
                if not kept:  # cancelled in the step in which it was granted
                    self.give_back(asking.count)
            else:
                self._asking.remove(asking)
                self._grant()

    def _grant(self) -> None:
        while self._asking:
            first = self._asking[0]
            if self.taken + first.count > first.limit:
                return
            self.taken += first.count
            self._asking.popleft().granted.set()
