"""What is asked for ahead of its turn, so that a node is never idle while a block is committed.

Small blocks are asked for some at a time, since a request costs a node and us more than they do.
Only bytes are kept, and only as many requests as may be in flight; what is too large for its share
of the memory, refused or cut, is simply asked for again when its turn comes. So all decisions are
made in one place, in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from trio_stream.cometbft.errors import BadBody, CometError
from trio_stream.follower.answers import Bodies, Pair
from trio_stream.follower.nodes import Node
from trio_stream.follower.troubles import Trouble

logger = logging.getLogger(__name__)

MEMORY = 64 * 2**20
"""Bytes of bodies that wait for their turn, altogether."""

SMALL = 256 * 1024
"""Bytes of an answer that are worth a request: some hundred milliseconds of a node's work."""

STORE = 2
"""Answers that may be here for each request that may be in flight."""

STRIDE = 1024 * 1024
"""Bytes that are read and committed in one step, give or take an answer."""


class _Asked:
    """Some heights in a row that are asked for together."""

    def __init__(self, node: Node, heights: range) -> None:
        self.node = node
        self.heights = heights
        self.done = trio.Event()
        self.scope = trio.CancelScope()
        self.bodies: Bodies | None = None
        self.pairs: list[Pair] = []


class Ahead:
    """The bodies of the heights that come next."""

    def __init__(
        self, nursery: trio.Nursery, *, in_flight: int, memory: int = MEMORY
    ) -> None:
        self.in_flight = in_flight
        self._nursery = nursery
        self._share = memory // (in_flight * (1 + STORE))
        self._asked: list[_Asked] = []
        """In order, without a hole."""
        self._size = SMALL
        """Bytes of a height, by the last ones that were read."""
        self._first = self._last = 0
        self._choose: Callable[[int], Node | None] = lambda height: None

    def want(self, first: int, last: int, choose: Callable[[int], Node | None]) -> None:
        """From now on `first` comes next, and the nodes have heights up to `last`."""
        self._first, self._last, self._choose = first, last, choose
        while self._asked and (
            self._asked[0].heights[-1] < first or self._asked[0].heights[0] > first
        ):
            self._drop(self._asked.pop(0))
        self._fill()

    def _fill(self) -> None:
        """Ask for more, if there is more and room for it."""
        height = self._asked[-1].heights[-1] + 1 if self._asked else self._first
        waiting = sum(not each.done.is_set() for each in self._asked)
        while (
            waiting < self.in_flight
            and len(self._asked) < self.in_flight * (1 + STORE)
            and height <= self._last
            and (node := self._choose(height)) is not None
        ):
            count = min(max(1, SMALL // self._size), max(1, node.together))
            end = 1 + min(height + count - 1, self._last, max(node.tip, height))
            asked = _Asked(node, range(height, end))
            self._asked.append(asked)
            self._nursery.start_soon(self._ask, asked)
            waiting += 1
            height = end

    async def take(self, height: int) -> tuple[Node, Pair] | None:
        """What came for that height, once it came; None if nothing did or was asked for.

        It is read once, also if it is taken twice. Raises Trouble or CometError.
        """
        asked = self._of(height)
        if asked is None:
            return None
        await asked.done.wait()
        if asked.bodies is not None:
            bodies, asked.bodies = asked.bodies, None
            try:
                asked.pairs = await asked.node.read(bodies)
            except CometError as error:
                if bodies.together == 1:
                    raise
                # It takes one of them to spoil the others.
                logger.debug("%s: %s: %s", asked.node.name, asked.heights, error)
            self._size = max(1, bodies.size // len(asked.heights))
        index = height - asked.heights[0]
        return (asked.node, asked.pairs[index]) if index < len(asked.pairs) else None

    async def take_some(self, height: int) -> list[Pair]:
        """What came for that height and those after it, and no more than is read in one step.

        It is awaited for one height, and for another one if that is asked for. Raises Trouble or
        CometError.
        """
        pairs: list[Pair] = []
        size = 0
        while (asked := self._of(height + len(pairs))) is not None:
            if len(pairs) > 1 and not asked.pairs:
                size += 0 if asked.bodies is None else asked.bodies.size
                if asked.bodies is None or size > STRIDE:
                    break
            if (taken := await self.take(height + len(pairs))) is None:
                break
            pairs.append(taken[1])
        return pairs

    def _of(self, height: int) -> _Asked | None:
        return next((each for each in self._asked if height in each.heights), None)

    def forget(self) -> None:
        """Drop everything: what comes next is asked for anew."""
        self._last = 0
        while self._asked:
            self._drop(self._asked.pop())

    def _drop(self, asked: _Asked) -> None:
        asked.scope.cancel()
        asked.done.set()

    async def _ask(self, asked: _Asked) -> None:
        heights = asked.heights
        with asked.scope:
            try:
                asked.bodies = await asked.node.bodies(
                    heights[0], self._share, count=len(heights)
                )
            except (Trouble, BadBody) as error:
                logger.debug("%s: %s ahead: %s", asked.node.name, heights, error)
                self._size = SMALL
        asked.done.set()
        self._fill()
