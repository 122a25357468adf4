"""Who holds a place at the ABCI door, and who gives one up when all are taken.

A place costs a stranger nothing: it connects and says nothing. An engine does the same, since
some of its connections are silent for ever (the one for snapshots), and ends if one of them is
closed. So no deadline is set to silence. But when the last place is taken, the connection that
looks least like an engine's gives way: one that has asked nothing, and, of those, the farthest in
the order of arrival from any of the same host that has. An engine dials its three or four
connections one directly after the other, and asks on the first of them as soon as it has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import trio

from trio_stream.abci.connection import Connection
from trio_stream.abci.messages import Echo, Flush, Info, Request

LEFT_AT_ONCE_SECONDS = 5.0
"""An engine that cannot go on with this log ends within a second of asking where it stands."""


@dataclass(slots=True, eq=False)
class Guest:
    """A connection at the door; `number` is the order of arrival."""

    number: int
    host: str
    connection: Connection
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    heard: bool = False
    """A whole request has come."""
    speaks: bool = False
    """It has asked something: more than to be answered at all."""
    asked: int = 0
    """How many requests but Flush; 1 of a query connection that only made the handshake."""
    asked_info_at: float = math.inf

    def note(self, requests: Sequence[Request], now: float) -> None:
        """Keep in mind what it asks."""
        self.heard = True
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


def who_gives_way(guests: Iterable[Guest]) -> Guest | None:
    """Of these guests the one that looks least like an engine's; None if all have spoken."""
    speakers: dict[str, list[int]] = {}
    silent: list[Guest] = []
    for guest in guests:
        if guest.speaks:
            speakers.setdefault(guest.host, []).append(guest.number)
        else:
            silent.append(guest)

    def distance(guest: Guest) -> float:
        near = (abs(guest.number - each) for each in speakers.get(guest.host, ()))
        return min(near, default=math.inf)

    # Of several as far, the one that has had its place the longest.
    return max(silent, key=lambda guest: (distance(guest), -guest.number), default=None)
