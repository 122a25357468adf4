"""What a page of the log is to hold; `Frames` are what it is answered with.

A page is bounded in bytes, and in rows that are looked at, since a read has to end soon even if
nothing matches. So it may end anywhere before `until`; the next one begins there.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from trio_stream.stream.frames import Frames
from trio_stream.stream.position import Position

S = TypeVar("S")
"""What says which messages are wanted: a value, of one kind for each kind of chain."""


class BelowOldest(Exception):
    """What was asked for has been dropped; `oldest` is the first block that is there."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


class PageRequest(NamedTuple, Generic[S]):
    """The messages of a selection after one position, up to and including another."""

    selection: S
    after: Position
    until: Position
    max_bytes: int
    """Exceeded only by a page that holds a single message."""
    max_rows: int

    def following(self, page: Frames) -> PageRequest[S]:
        """What to ask for once this page is there."""
        return self._replace(after=page.end)
