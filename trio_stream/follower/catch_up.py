"""What is asked for ahead of its turn, so that a node is never idle while a block is committed.

Only bytes are kept, and only as many heights as requests may be in flight; what is too large for
its share of the memory, refused or cut, is simply asked for again when its turn comes. So all
decisions are made in one place, in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from trio_stream.cometbft.errors import BadBody
from trio_stream.follower.answers import Bodies, Pair
from trio_stream.follower.nodes import Node
from trio_stream.follower.troubles import Trouble

logger = logging.getLogger(__name__)

MEMORY = 64 * 2**20
"""Bytes of bodies that wait for their turn, altogether."""


class _Asked:
    """A height that is asked for."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.done = trio.Event()
        self.scope = trio.CancelScope()
        self.bodies: Bodies | None = None
        self.pair: Pair | None = None


class Ahead:
    """The bodies of the heights that come next."""

    def __init__(
        self, nursery: trio.Nursery, *, in_flight: int, memory: int = MEMORY
    ) -> None:
        self.in_flight = in_flight
        self._nursery = nursery
        self._share = memory // in_flight
        self._asked: dict[int, _Asked] = {}

    def want(self, first: int, last: int, choose: Callable[[int], Node | None]) -> None:
        """From now on `first` comes next, and the nodes have heights up to `last`."""
        for height in [each for each in self._asked if each < first]:
            self._drop(height)
        for height in range(first, min(last, first + self.in_flight - 1) + 1):
            if height not in self._asked and (node := choose(height)) is not None:
                asked = self._asked[height] = _Asked(node)
                self._nursery.start_soon(self._ask, height, asked)

    async def take(self, height: int) -> tuple[Node, Pair] | None:
        """What came for that height, once it came; None if nothing did or was asked for.

        It is read once, also if it is taken twice. Raises CometError.
        """
        asked = self._asked.get(height)
        if asked is None:
            return None
        await asked.done.wait()
        if asked.pair is None:
            if asked.bodies is None:
                return None
            asked.pair = await asked.node.read(asked.bodies)
            asked.bodies = None
        return asked.node, asked.pair

    def forget(self) -> None:
        """Drop everything: what comes next is asked for anew."""
        for height in list(self._asked):
            self._drop(height)

    def _drop(self, height: int) -> None:
        asked = self._asked.pop(height)
        asked.scope.cancel()
        asked.done.set()

    async def _ask(self, height: int, asked: _Asked) -> None:
        with asked.scope:
            try:
                asked.bodies = await asked.node.bodies(height, self._share)
            except (Trouble, BadBody) as error:
                logger.debug("%s: block %d ahead: %s", asked.node.url, height, error)
        asked.done.set()
