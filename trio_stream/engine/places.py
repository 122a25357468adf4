"""Who holds a place, and bytes, at the ABCI door, and who gives way if there are no more.

A place costs a stranger nothing: it connects, perhaps asks something, and stays. An engine does the
same, since some of its connections are silent for hours or for ever, and it exits if one of them is
closed. So silence has no deadline. But when the last place is taken, or unanswered messages hold
too many bytes, the connection that looks least like an engine's gives way:

1. first, one that stands alone: it has asked nothing and none of its neighbours has, or it has
   asked something and all of its neighbours have too;
2. then one in company, as an engine's connections are: an engine dials its three or four one
   directly after the other, asks on the first, and most of the others are silent;
3. then one that has begun a chain or a block, and its neighbours;
4. never the one that did so last, nor its neighbours: that is the engine.

The neighbours of a connection are those that came from the same host directly before and after it.
Of several that look alike, the one that has been idle for longest gives way.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import trio

from trio_stream.abci.connection import AbciConnection
from trio_stream.abci.messages import Echo, Flush, Info, Request

MAX_CONNECTIONS = 64
"""An engine has four, and a restarted one four more while the old ones linger. Many times that
number is not an engine."""
HELD_MESSAGES = 2
"""How many messages of the maximum size may be held for all connections together. An engine has one
block at a time, and its other messages are far smaller."""
SMALL_BYTES = 256 * 1024
"""If a connection holds no more than this, nothing is gained by its giving way."""
BESIDE = 3
"""How far an engine's connections are from each other, at most, in the order of arrival."""
VERSION_LENGTH = 40
LEFT_AT_ONCE_SECONDS = 5.0
"""An engine that cannot go on with this log exits within a second of asking for its height."""


@dataclass(slots=True, eq=False)
class AbciGuest:
    """A connection at the door; `number` is the order of arrival."""

    number: int
    host: str
    connection: AbciConnection
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    heard: bool = False
    """A whole request has arrived."""
    speaks: bool = False
    """It has asked something, Echo and Flush aside."""
    drives: bool = False
    """It has begun or continued a chain or a block."""
    asked: int = 0
    """How many requests, Echo and Flush aside; 1 if a query connection only made the handshake."""
    active_at: float = -math.inf
    """When it connected, or last asked anything."""
    asked_info_at: float = math.inf
    version: str = ""
    """The release of the engine, as it says when it asks for the height."""
    held: int = 0
    """Bytes of incomplete or unanswered messages."""
    gave_way: str = ""
    """Why it gave way, if it did."""

    def note(self, requests: Sequence[Request], now: float) -> None:
        """Record what it asks."""
        self.heard = True
        self.active_at = now
        for request in requests:
            if isinstance(request, Flush | Echo):
                continue
            self.speaks = True
            self.asked += 1
            if isinstance(request, Info):
                self.asked_info_at = min(self.asked_info_at, now)
                self.version = request.version[:VERSION_LENGTH]

    @property
    def is_greeting(self) -> bool:
        """Whether all it has asked so far is the log's height, as an engine does when it starts."""
        return self.asked == 1 and self.asked_info_at < math.inf

    def left_at_once(self, now: float) -> bool:
        """Whether all it did was to ask for the log's height, a moment ago."""
        return self.is_greeting and now - self.asked_info_at < LEFT_AT_ONCE_SECONDS

    def distance(self, other: AbciGuest) -> float:
        """How far the two are apart in the order of arrival; infinite if from different hosts."""
        return abs(self.number - other.number) if self.host == other.host else math.inf


class EngineSeen(NamedTuple):
    """What the connections of an engine say about it."""

    dialect: str
    version: str
    """Empty if it has not asked for the height on any of them."""


class PlacesStatistics(NamedTuple):
    """What `AbciPlaces.statistics` returns."""

    connections: int
    held_bytes: int
    """Bytes of incomplete or unanswered messages."""
    engine: EngineSeen | None
    """The engine, if it is connected."""
    engine_away: float
    """For how many seconds it has not been; infinite if it never was."""


class AbciPlaces:
    """The connections of a door, and what is held for them."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._guests: dict[int, AbciGuest] = {}
        self._held = 0
        self._engine: AbciGuest | None = None
        """The connection that drove the chain last."""
        self._engine_left_at = -math.inf

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: AbciGuest) -> AbciGuest | None:
        """Give it a place; returns the guest that gave way to it, if one did."""
        leaving = None
        if len(self) >= MAX_CONNECTIONS:
            leaving = least_like_an_engine(self._guests.values(), self._engine)
            self._let_go(leaving, "its place went to another")
        self._guests[guest.number] = guest
        return leaving

    def leave(self, guest: AbciGuest) -> None:
        """Free its place, and the bytes that it held."""
        was_engine = _Rank(self._guests.values(), self._engine).is_engine(guest)
        if self._guests.pop(guest.number, None) is not None:
            self._held -= guest.held
        if self._engine is guest:
            self._engine = None
        if was_engine and self.engine() is None:
            self._engine_left_at = trio.current_time()

    def statistics(self) -> PlacesStatistics:
        """Who is at the door, and what is held for them."""
        found = self.engine()
        away = math.inf
        if found is not None:
            away = 0.0
        elif self._engine_left_at > -math.inf:
            away = trio.current_time() - self._engine_left_at
        return PlacesStatistics(len(self), self._held, found, away)

    def engine(self) -> EngineSeen | None:
        """The engine that is connected; None if there is none.

        It drove the chain last. Or, if none has begun to since it connected, it asked for the
        height and has silent connections beside the one on which it asked, as no health check has.
        """
        rank = _Rank(self._guests.values(), self._engine)
        known = [each for each in self._guests.values() if rank.is_engine(each)]
        if not known:
            return None
        asked = max(known, key=lambda each: (each.version != "", each.number))
        # A range, such as C37-C10, is what a connection shows on which it has not asked.
        dialects = [each.connection.dialect for each in known if each.heard]
        exact = [each for each in dialects if "-" not in each]
        return EngineSeen((exact or dialects)[-1], asked.version)

    def drives(self, guest: AbciGuest) -> None:
        """Record that it has begun or continued a chain or a block."""
        if guest.number in self._guests:
            guest.drives = True
            self._engine = guest

    def holds(self, guest: AbciGuest, count: int) -> list[AbciGuest]:
        """Record how many bytes of its messages are held; returns the guests that gave way."""
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
            self._let_go(gone[-1], "its unanswered messages took too much room")
        return gone

    def _let_go(self, guest: AbciGuest, why: str) -> None:
        self.leave(guest)
        guest.gave_way = why
        guest.scope.cancel()


def least_like_an_engine(
    guests: Collection[AbciGuest], engine: AbciGuest | None
) -> AbciGuest:
    """The guest that gives way first; `engine` drove the chain last."""
    return min(guests, key=_Rank(guests, engine))


class _Rank:
    """How much a guest looks like an engine's connection; the least gives way."""

    def __init__(self, guests: Iterable[AbciGuest], engine: AbciGuest | None) -> None:
        self._guests = list(guests)
        self._engine = engine

    def __call__(self, guest: AbciGuest) -> tuple[int, bool, float, float, int]:
        # Silent ones give way before those that spoke. Beyond the neighbourhood of those that
        # spoke distance is chance; within it the nearest is the likeliest to belong to them.
        far = 0.0
        if not guest.speaks:
            far = -min(self._distance(guest, speaks=True), BESIDE + 1)
        return (self._stage(guest), guest.speaks, far, guest.active_at, guest.number)

    def is_engine(self, guest: AbciGuest) -> bool:
        """Whether it belongs to the engine, or to what looks like one."""
        stage = self._stage(guest)
        return stage == 4 or (stage >= 2 and guest.asked_info_at < math.inf)

    def _stage(self, guest: AbciGuest) -> int:
        engine = self._engine
        if engine is not None and guest.distance(engine) <= BESIDE:
            return 4
        if any(each.drives and guest.distance(each) <= BESIDE for each in self._guests):
            return 3
        in_company = self._distance(guest, speaks=not guest.speaks) <= BESIDE
        return 2 if in_company else 1

    def _distance(self, guest: AbciGuest, *, speaks: bool) -> float:
        """The distance to the nearest of those that speak, or of those that don't."""
        others = (each for each in self._guests if each.speaks is speaks)
        return min(map(guest.distance, others), default=math.inf)
