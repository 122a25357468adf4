"""When a subscriber is pinged, and when it counts as dead.

Time is passed in. A subscriber that is owed bytes is not pinged: a Ping behind megabytes would
cut a slow but living reader, and one that takes nothing at all is cut by the rule for stalls. But
bytes may also lie unread in the peer's own kernel, where we cannot see them. So the time
for the answer grows with what was sent since the last one: enough for a reader of
10 KB/s, up to the largest receive buffer that a kernel chooses by itself.
"""

from __future__ import annotations

import enum
import heapq
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

SLOW_READER = 10_000  # bytes a second
_RECEIVE_BUFFER = 6 * 1024 * 1024  # the usual maximum of tcp_rmem in Linux


class Pinged(Protocol):
    """What this module needs of a subscriber."""

    @property
    def pongs(self) -> int:
        """How many Pongs it has sent."""

    @property
    def quiet(self) -> bool:
        """Has it been sent everything, with nothing left unsent?"""


P = TypeVar("P", bound=Pinged)


class Verdict(enum.Enum):
    """What to do with a peer that is due."""

    NOTHING = enum.auto()
    PING = enum.auto()
    CLOSE = enum.auto()


@dataclass(slots=True)
class _Pulse(Generic[P]):
    peer: P | None
    pongs: int = 0
    volume: int = 0  # what had been sent when the last Pong was seen
    asked: bool = False


class Keepalive(Generic[P]):
    """All subscribers, by the time when each is to be looked at.

    `volume` is an upper bound for the bytes that any subscriber was sent so far.
    """

    def __init__(self, *, interval: float, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._queue: list[tuple[float, int, _Pulse[P]]] = []
        self._pulses: dict[P, _Pulse[P]] = {}
        self._count = 0

    @property
    def next_due(self) -> float | None:
        """When a subscriber is to be looked at; None if there are none."""
        return self._queue[0][0] if self._queue else None

    def join(self, peer: P, *, now: float, volume: int) -> None:
        pulse = self._pulses[peer] = _Pulse(peer, peer.pongs, volume)
        self._push(now + self._interval, pulse)

    def leave(self, peer: P) -> None:
        # Its entry stays in the queue until it is due, but is empty now.
        self._pulses.pop(peer).peer = None

    def not_asked(self, peer: P) -> None:
        """The Ping could not be sent; look again when its answer would have been due."""
        self._pulses[peer].asked = False

    def take_due(self, *, now: float, volume: int) -> tuple[P, Verdict] | None:
        """The next peer that is due, and what to do with it; None if there are no more.

        A peer that is to be pinged counts as asked from now on.
        """
        while self._queue and self._queue[0][0] <= now:
            _, _, pulse = heapq.heappop(self._queue)
            if pulse.peer is not None:
                return pulse.peer, self._look_at(pulse, pulse.peer, now, volume)
        return None

    def _look_at(self, pulse: _Pulse[P], peer: P, now: float, volume: int) -> Verdict:
        if peer.pongs != pulse.pongs:
            pulse.pongs, pulse.volume = peer.pongs, volume
            if pulse.asked:
                pulse.asked = False
                self._push(now + self._interval, pulse)
                return Verdict.NOTHING
        if not peer.quiet:
            pulse.asked = False
            self._push(now + self._interval, pulse)
            return Verdict.NOTHING
        if pulse.asked:
            return Verdict.CLOSE
        pulse.asked = True
        unread = min(volume - pulse.volume, _RECEIVE_BUFFER)
        self._push(now + self._timeout + unread / SLOW_READER, pulse)
        return Verdict.PING

    def _push(self, due: float, pulse: _Pulse[P]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (due, self._count, pulse))
