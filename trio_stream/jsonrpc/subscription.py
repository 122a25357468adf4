"""One subscription: how far it is, and what its frames begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from trio_stream.cometbft.queries import Expression, Generation
from trio_stream.jsonrpc.announced import Announced, frame_head
from trio_stream.jsonrpc.answers import Id, dumps
from trio_stream.jsonrpc.lines import Line

MOST_MORE: Final = 200
"""Bytes that a frame has at most beside its head and its tail: its header and a position."""


class Key(NamedTuple):
    """What makes two subscriptions of a client the same: from 0.38 on blanks do not count."""

    query: Expression | str


def key_of(text: str, query: Expression, line: Line) -> Key:
    """The key of a subscription to that query."""
    return Key(query if line.generation is Generation.FROM_0_38 else text)


class Subscription:
    """One subscription and how far it is."""

    __slots__ = (
        "has_positions",
        "head",
        "height",
        "id",
        "look",
        "number",
        "query",
        "skipped",
    )

    def __init__(
        self,
        id: Id,
        text: str,
        query: Expression,
        *,
        height: int,
        line: Line,
        skipped: int | None = None,
        has_positions: bool = False,
    ) -> None:
        self.id = dumps(f"{id}#event" if line.is_early else id)
        self.head = b'{"jsonrpc":"2.0","id":%b,"result":{"query":%b,' % (
            self.id,
            dumps(text),
        )
        self.look = self.head
        """What two have in common whose frames are the same bytes. The same words are read in two
        ways, before an upgrade of the chain and after it."""
        if line.generation is not Generation.FROM_0_38:
            self.look += line.generation.value.encode()
        self.query = query
        self.height = height
        """The next block that it is given."""
        self.number = 0
        """The next announcement of that block."""
        self.skipped = skipped
        """The last transaction of its first block that is not for it."""
        self.has_positions = has_positions

    @property
    def is_at_start(self) -> bool:
        """Whether all of its block is still to come."""
        return not self.number and self.skipped is None

    def go_on(self) -> None:
        """Nothing is left of its block."""
        self.height += 1
        self.number = 0
        self.skipped = None

    def start(self, announced: Announced, number: int) -> bytes:
        """All of a frame but what it shares with others."""
        head = self.head
        if self.has_positions:
            position = announced.position_after(self.query, number)
            if position is not None:
                head += b'"position":%b,' % dumps(position)
        return frame_head(len(head) + len(announced.tails[number])) + head

    def frames(self, announced: Announced, numbers: Sequence[int]) -> list[bytes]:
        """The parts of all frames that a block has for it, to be joined."""
        if not self.has_positions:
            return announced.parts(numbers, self.head)
        return [
            part
            for number in numbers
            for part in (self.start(announced, number), announced.tails[number])
        ]
