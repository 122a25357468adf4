"""How far the nodes are that are asked, and which of them is asked ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from trio_stream.cometbft.errors import CometError
from trio_stream.follower.nodes import Node
from trio_stream.follower.silence import Silence
from trio_stream.follower.troubles import Trouble


class Tips:
    """Of these nodes, which may become fewer."""

    def __init__(self, nodes: Sequence[Node], *, agree: int = 1) -> None:
        """`agree`: how many nodes must have a block so that it is of use."""
        self._nodes = nodes
        self._agree = agree
        self._silence = Silence()

    @property
    def newest(self) -> int:
        """The newest block that enough nodes have; 0 if there are too few nodes."""
        tips = sorted((node.tip for node in self._nodes), reverse=True)
        return next(iter(tips[self._agree - 1 :]), 0)

    def choose(self, height: int, number: int = 0) -> Node | None:
        """Who is asked ahead of time: of those that have it, each its share.

        Of several that must agree, it is the one with this number: some heights are asked for
        together, and never two times the same node.
        """
        having = [
            node
            for node in self._nodes
            if node.tip >= height >= (node.lowest or 0) and not node.pace.resting
        ]
        if self._agree == 1 and having:
            number = height % len(having)
        return next(iter(having[number:]), None)

    async def poll(
        self, height: int, *, is_enough: Callable[[], bool] = lambda: True
    ) -> None:
        """Ask all nodes for their tips, until enough have that height and `is_enough`."""
        async with trio.open_nursery() as nursery:

            async def ask(node: Node) -> None:
                try:
                    await node.status()
                    self._silence.ends()
                except (Trouble, CometError) as error:
                    self._silence.goes_on(f"{node.name}: {error}")
                if self.newest >= height and is_enough():
                    nursery.cancel_scope.cancel()

            for node in self._nodes:
                if not node.pace.resting or len(self._nodes) == 1:
                    nursery.start_soon(ask, node)
