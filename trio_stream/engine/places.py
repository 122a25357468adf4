"""Who holds a place, and bytes, at the ABCI door, and who gives way when there are no more.

A place costs a stranger nothing: it connects, perhaps asks something, and stays. An engine does the
same, since some of its connections are silent for hours or for ever, and ends if one of them is
closed. So no deadline is set to silence. But when the last place is taken, or too much is held of
messages that are not answered yet, the connection that looks least like an engine's gives way:

1. one that stands alone: it has asked nothing and nobody beside it has, or it has asked something
   and everybody beside it has, too;
2. one in company, as an engine's connections are: it dials its three or four directly one after the
   other, asks on the first, and most of the others are silent;
3. one that has begun a chain or a block, and those beside it;
4. never the one that did so last, nor those beside it: that is the engine.

Beside a connection are those that came from the same host directly before and after it. Of several
that look alike the one goes that has been idle for longest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import trio

from trio_stream.abci.connection import AbciConnection
from trio_stream.abci.messages import Echo, Flush, Info, Request

MAX_CONNECTIONS = 64
"""A node has four, and a restarted one four more while the old ones linger. More than
that many times over is no node."""
HELD_MESSAGES = 2
"""How many messages of the greatest size may be held for all connections together. An engine
has one block at a time, and what it sends beside it is far smaller."""
SMALL_BYTES = 256 * 1024
"""Who holds no more than this makes no room by giving way."""
BESIDE = 3
"""An engine's connections are at most so far from each other in the order of arrival."""
LEFT_AT_ONCE_SECONDS = 5.0
"""An engine that cannot go on with this log ends within a second of asking where it stands."""


@dataclass(slots=True, eq=False)
class AbciGuest:
    """A connection at the door; `number` is the order of arrival."""

    number: int
    host: str
    connection: AbciConnection
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    heard: bool = False
    """A whole request has come."""
    speaks: bool = False
    """It has asked something: more than to be answered at all."""
    drives: bool = False
    """It has begun a chain or a block, or gone on with one."""
    asked: int = 0
    """How many requests but Flush; 1 of a query connection that only made the handshake."""
    active_at: float = -math.inf
    """When it came, or last asked anything."""
    asked_info_at: float = math.inf
    held: int = 0
    """Bytes of messages that are not whole, or not answered yet."""
    gave_way: str = ""
    """To what it gave way."""

    def note(self, requests: Sequence[Request], now: float) -> None:
        """Keep in mind what it asks."""
        self.heard = True
        self.active_at = now
        for request in requests:
            if isinstance(request, Flush | Echo):
                continue
            self.speaks = True
            self.asked += 1
            if isinstance(request, Info):
                self.asked_info_at = min(self.asked_info_at, now)

    @property
    def is_greeting(self) -> bool:
        """Whether all it asked so far is where the log stands: the beginning of an engine."""
        return self.asked == 1 and self.asked_info_at < math.inf

    def left_at_once(self, now: float) -> bool:
        """Whether all it did was to ask where the log stands, a moment ago."""
        return self.is_greeting and now - self.asked_info_at < LEFT_AT_ONCE_SECONDS

    def distance(self, other: AbciGuest) -> float:
        """How many came between the two from the same host, at most."""
        return abs(self.number - other.number) if self.host == other.host else math.inf


class AbciPlaces:
    """The connections of a door, and what is held for them."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._guests: dict[int, AbciGuest] = {}
        self._held = 0
        self._engine: AbciGuest | None = None
        """Who drove the chain last."""

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: AbciGuest) -> AbciGuest | None:
        """Give it a place; returns who gave way to it."""
        leaving = None
        if len(self) >= MAX_CONNECTIONS:
            leaving = least_like_an_engine(self._guests.values(), self._engine)
            self._let_go(leaving, "its place went to another")
        self._guests[guest.number] = guest
        return leaving

    def leave(self, guest: AbciGuest) -> None:
        """Its place is free, and so is what it held."""
        if self._guests.pop(guest.number, None) is not None:
            self._held -= guest.held
        if self._engine is guest:
            self._engine = None

    def drives(self, guest: AbciGuest) -> None:
        """It began a chain or a block, or went on with one."""
        if guest.number in self._guests:
            guest.drives = True
            self._engine = guest

    def holds(self, guest: AbciGuest, count: int) -> list[AbciGuest]:
        """Of its messages so many bytes are held; returns who gave way to that."""
        gone: list[AbciGuest] = []
        if guest.number not in self._guests:
            return gone
        self._held += count - guest.held
        guest.held = count
        while self._held > self._most_bytes:
            large = [
                each
                for each in self._guests.values()
                if each.held > SMALL_BYTES and each is not self._engine
            ]
            if not large:
                break
            rank = _Rank(self._guests.values(), self._engine)
            gone.append(min(large, key=rank))
            self._let_go(gone[-1], "what it had sent of a message took too much room")
        return gone

    def _let_go(self, guest: AbciGuest, why: str) -> None:
        self.leave(guest)
        guest.gave_way = why
        guest.scope.cancel()


def least_like_an_engine(
    guests: Collection[AbciGuest], engine: AbciGuest | None
) -> AbciGuest:
    """Of these guests the one that gives way first; `engine` drove the chain last."""
    return min(guests, key=_Rank(guests, engine))


class _Rank:
    """How much each of these guests looks like an engine's; the least gives way."""

    def __init__(self, guests: Iterable[AbciGuest], engine: AbciGuest | None) -> None:
        self._guests = list(guests)
        self._engine = engine

    def __call__(self, guest: AbciGuest) -> tuple[int, bool, float, float, int]:
        # Silent ones before those that spoke. What is far from all that spoke is so by
        # chance, but beside them the nearest is the likeliest to belong to them.
        far = 0.0
        if not guest.speaks:
            far = -min(self._distance(guest, speaks=True), BESIDE + 1)
        return (self._stage(guest), guest.speaks, far, guest.active_at, guest.number)

    def _stage(self, guest: AbciGuest) -> int:
        engine = self._engine
        if engine is not None and guest.distance(engine) <= BESIDE:
            return 4
        if any(each.drives and guest.distance(each) <= BESIDE for each in self._guests):
            return 3
        in_company = self._distance(guest, speaks=not guest.speaks) <= BESIDE
        return 2 if in_company else 1

    def _distance(self, guest: AbciGuest, *, speaks: bool) -> float:
        """To the nearest of those that have asked something, or of those that have not."""
        others = (each for each in self._guests if each.speaks is speaks)
        return min(map(guest.distance, others), default=math.inf)
