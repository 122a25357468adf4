"""Room for the answers that nodes send and clients have not taken yet, of all clients together.

An answer takes room while it comes from the node, and gives it back once the client has it. One
that finds none in time is given up, and its call is answered with an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from trio_stream.net.room import SMALL, Room

ANSWERS_BYTES: Final = 128 * 1024 * 1024
"""Of all answers. The last eighth is for small ones."""

STEP_BYTES: Final = 1024 * 1024
"""What an answer that is not small takes at a time."""


class NoRoom(Exception):
    """Other answers take all the room."""


class Share:
    """The room that one answer takes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    async def hold(self, size: int) -> None:
        """Have room for that many bytes; raises NoRoom if there is none in time."""
        while self._taken < size:
            is_small = size <= SMALL
            more = SMALL - self._taken if is_small else STEP_BYTES
            if not await self._room.take(more, small=is_small):
                raise NoRoom
            self._taken += more

    def keep(self, size: int) -> None:
        """Give back what is more than that."""
        self._room.give_back(max(0, self._taken - size))
        self._taken = min(self._taken, size)


class Shares:
    """At most `limit` bytes altogether."""

    def __init__(self, limit: int = ANSWERS_BYTES) -> None:
        # Nobody gives way but who has had time enough to take what it asked for.
        self._room = Room(limit, lambda _: math.inf)

    @property
    def taken(self) -> int:
        """The bytes that are held."""
        return self._room.taken

    @contextmanager
    def one(self) -> Iterator[Share]:
        """Room for an answer until the end of the block."""
        share = Share(self._room)
        try:
            yield share
        finally:
            share.keep(0)
