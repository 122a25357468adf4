"""Which messages a subscriber to a followed chain wants, and in which form."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from trio_stream.cometbft.queries import EVERYTHING, Expression
from trio_stream.stream.selection import Form


class Feed(Enum):
    """What is streamed; the value is the last part of its path."""

    TRANSACTIONS = "transactions"
    BLOCKS = "blocks"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class FeedSelection:
    """Which messages of a feed, in which form."""

    feed: Feed = Feed.TRANSACTIONS
    form: Form = Form.PLAIN
    query: Expression = EVERYTHING
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Queries are large, and looked up for each block by all who wait.
        object.__setattr__(self, "_hash", hash((self.feed, self.form, self.query)))

    def __hash__(self) -> int:
        return self._hash


ALL_TRANSACTIONS: Final = FeedSelection()
