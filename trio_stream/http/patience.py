"""What a peer owes the HTTP door, how long it has for it, and how much of it is taken at once.

There is a deadline for the whole of what is owed: the next request, its head once that has
begun, its body. Only the time in which we wait for the peer counts. Bodies are taken from the
socket when there is room for them (`http_room`).
"""

from __future__ import annotations

import enum
import math
from typing import Final, Protocol

import trio

from trio_stream.http.places import LATE, NO_ROOM, HttpGuest, TurnedAway

RECEIVE: Final = 64 * 1024
"""What is taken from a socket at once; of a body at first no more than `_RECEIVE_FIRST`."""
_RECEIVE_FIRST = 4 * 1024
# With a head, what comes of its body is not counted, so it is not much.
_HEAD = 16 * 1024


class PatienceLimits(Protocol):
    """What is asked of the door's limits."""

    @property
    def head_timeout(self) -> float: ...
    @property
    def keep_alive(self) -> float: ...
    @property
    def body_timeout(self) -> float: ...
    @property
    def body_rate(self) -> int: ...
    @property
    def max_body_bytes(self) -> int: ...


class Owed(enum.Enum):
    """What a peer has to send."""

    REQUEST = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


class Peer:
    """The other end of a connection, as one who sends."""

    def __init__(
        self, stream: trio.abc.ReceiveStream, limits: PatienceLimits, guest: HttpGuest
    ) -> None:
        self.owed = Owed.REQUEST
        self.refusal: TurnedAway | None = None
        """Why nothing more is received, if the peer is to hear of it."""
        self.listening = trio.CancelScope()
        """Ends when nothing more is to be received."""
        self._stream = stream
        self._limits = limits
        self._guest = guest
        self._is_receiving = False
        # Seconds in which what is owed must come.
        self._left = limits.keep_alive
        # Of a body: what has come, and what more there is room for.
        self._body = self._credit = 0

    def stop(self, refusal: TurnedAway | None = None) -> None:
        """Receive nothing more."""
        if refusal is not None:
            self.refusal = refusal
        self.listening.cancel()

    def owes(self, owed: Owed) -> None:
        """From now on it owes something else."""
        self.owed = owed
        self._left = self._seconds_for(owed)
        self._body = self._credit = 0
        if self._is_receiving:
            self.listening.deadline = trio.current_time() + self._left
        if owed is Owed.NOTHING:
            self._guest.works()
        else:
            self._guest.waits()

    def look_whether_late(self) -> None:
        """Once nothing more is received: was it for want of time?"""
        if self.refusal is None and trio.current_time() >= self.listening.deadline:
            self.refusal = LATE

    async def receive(self) -> bytes:
        """What it sends next. Its time runs here and nowhere else."""
        size = await self._room_for_body() if self.owed is Owed.BODY else _HEAD
        self.listening.deadline = trio.current_time() + self._left
        self._is_receiving = True
        try:
            data = bytes(await self._stream.receive_some(size))
        finally:
            self._is_receiving = False
        self._left = self.listening.deadline - trio.current_time()
        self.listening.deadline = math.inf
        if self.owed is Owed.BODY:
            used = min(len(data), self._credit)
            self._credit -= used
            self._body += used
            self._left += len(data) / self._limits.body_rate
        return data

    async def complete(self, data: bytes, missing: int) -> bytes:
        """`data`, and what is missing of the body in it. Raises if the peer closes before."""
        self.owes(Owed.BODY)
        # One piece: small ones would take many times their size.
        whole = bytearray(data)
        while missing > 0:
            more = await self.receive()
            if not more:
                raise trio.ClosedResourceError("closed within a body")
            whole += more
            missing -= len(more)
        return bytes(whole)

    def _seconds_for(self, owed: Owed) -> float:
        if owed is Owed.REQUEST:
            return self._limits.keep_alive
        if owed is Owed.HEAD:
            return self._limits.head_timeout
        if owed is Owed.BODY:
            return self._limits.body_timeout
        return math.inf

    async def _room_for_body(self) -> int:
        """How much of a body may be received; beyond the limit none of it is kept."""
        if not self._credit and self._body < self._limits.max_body_bytes:
            wanted = min(max(self._body, _RECEIVE_FIRST), RECEIVE)
            if not await self._guest.take(wanted):
                self.stop(NO_ROOM)
                await trio.lowlevel.checkpoint()
            self._credit = wanted
        return self._credit or RECEIVE
