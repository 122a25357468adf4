"""What a peer owes the HTTP server, how long it has for it, and how much is received at once.

There is one deadline for all of what is owed: the next request, its head once it has begun, or its
body. Only the time in which we wait for the peer counts. Bodies are received from the socket when
there is room for them (`net.room`).
"""

from __future__ import annotations

import enum
import math
from typing import Final, Protocol

import trio

from trio_stream.http.places import LATE, NO_ROOM, HttpGuest, TurnedAway

RECEIVE: Final = 64 * 1024
"""Bytes received from a socket at once; of a body at first at most `_RECEIVE_FIRST`."""
_RECEIVE_FIRST = 4 * 1024
# A body's beginning that arrives with its head is not counted, so it is kept small.
_HEAD = 16 * 1024


class PatienceLimits(Protocol):
    """The limits of the server that matter here."""

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
    """What a peer has to send next."""

    REQUEST = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


class Peer:
    """The other end of a connection, as a sender."""

    def __init__(
        self, stream: trio.abc.ReceiveStream, limits: PatienceLimits, guest: HttpGuest
    ) -> None:
        self.owed = Owed.REQUEST
        self.refusal: TurnedAway | None = None
        """Why nothing more is received, if the peer is to be told."""
        self.listening = trio.CancelScope()
        """Cancelled when nothing more is to be received."""
        self._stream = stream
        self._limits = limits
        self._guest = guest
        self._is_receiving = False
        # Seconds left for what is owed.
        self._left = limits.keep_alive
        # Of a body: the bytes received, and the bytes for which there is room already.
        self._body = self._credit = 0

    def stop(self, refusal: TurnedAway | None = None) -> None:
        """Receive nothing more."""
        if refusal is not None:
            self.refusal = refusal
        self.listening.cancel()

    def owes(self, owed: Owed) -> None:
        """From now on the peer owes something else."""
        self.owed = owed
        self._left = self._seconds_for(owed)
        self._body = self._credit = 0
        if self._is_receiving:
            self.listening.deadline = trio.current_time() + self._left
        if owed is Owed.NOTHING:
            self._guest.works()
        else:
            self._guest.waits()

    def note_if_late(self) -> None:
        """Note, once nothing more is received, if the peer ran out of time."""
        if self.refusal is None and trio.current_time() >= self.listening.deadline:
            self.refusal = LATE

    async def receive(self) -> bytes:
        """The bytes that it sends next. Its time runs only here."""
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
        """`data` with the missing bytes of its body. Raises if the peer closes first."""
        self.owes(Owed.BODY)
        # Joined at once, since many small pieces would take several times their size.
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
        """How many bytes of a body to receive now; those beyond the limit are not kept."""
        if not self._credit and self._body < self._limits.max_body_bytes:
            wanted = min(max(self._body, _RECEIVE_FIRST), RECEIVE)
            if not await self._guest.take(wanted):
                self.stop(NO_ROOM)
                await trio.lowlevel.checkpoint()
            self._credit = wanted
        return self._credit or RECEIVE
