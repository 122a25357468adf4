"""Room for the bytes that requests and answers under way hold, all of them together.

Whoever wants more than is left waits for it, which is what makes a peer send no further; those
who came first are served first. If there is none in time the request gets 503. Peers that
neither send nor read what they should hold bytes too, so those who have done so for longest
give way (`make_way`). The last eighth is for what is small: it is answered whatever large
bodies and answers there are.
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
"""So many bytes of one connection are small."""


@dataclass(slots=True, eq=False)
class _Asking:
    count: int
    limit: int
    granted: trio.Event = field(default_factory=trio.Event)


class Room:
    """At most `limit` bytes, of which `taken` are in use.

    `make_way` lets connections go that are due, to free so many bytes, and says at what time
    to ask it again. Who holds much already awaits a `turn` for more, one after the other.
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

    async def take(self, count: int, *, small: bool) -> bool:
        """Take so many bytes; False if they are not to be had in time."""
        limit = self._limit if small else self._large
        if not small:
            # In the queue for turns, which others use too, is one of us at a time.
            async with self._next:
                await self._turn()
        if self.taken + count <= limit and (small or not self._asking):
            self.taken += count
            return True
        return await self._wait(_Asking(count, limit))

    def take_now(self, count: int, *, small: bool) -> bool:
        """Take so many bytes if there is room; who is due gives way for others that come."""
        limit = self._limit if small else self._large
        if self.taken + count > limit:
            self._make_way(count)
            return False
        self.taken += count
        return True

    def give_back(self, count: int) -> None:
        """Make so many bytes free again."""
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
