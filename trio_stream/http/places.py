"""Which connections the HTTP server has, how many there may be, and which give way to new ones.

A connection first waits for its turn. Then it either waits for its peer, which owes a request, a
body, or the reading of an answer, or it works. If all places are taken, in total or for one
address, the connection that has waited longest gives way, since a peer that wants to be served
does not keep the server waiting. If none has waited for long, the new one is turned away with an
answer. So peers that drip, stall or do nothing lock nobody out, however many they are and from
however many addresses they come. A trusted proxy connects for many clients, so its address has no
limit of its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple, Protocol

import trio

from trio_stream.http.answers import HttpAnswer, error
from trio_stream.net.room import SMALL, Room
from trio_stream.stream.admission import trusted_networks

GRACE: Final = 1.0
"""Seconds of waiting before a connection has to give its place to another."""
HOLDING_GRACE: Final = 5.0
"""Seconds of waiting before a connection has to give back the bytes it holds."""


class TurnedAway(NamedTuple):
    """Why a connection ends, as an answer for the peer if it still waits for one."""

    answer: HttpAnswer
    retry_after: int | None = None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of the answer besides its own."""
        if self.retry_after is None:
            return ()
        return (("retry-after", str(self.retry_after)),)


LATE: Final = TurnedAway(error(408, "The request did not arrive in time"))
FULL: Final = TurnedAway(error(503, "Too many connections: try again later"), 5)
ADDRESS_FULL: Final = TurnedAway(
    error(429, "Too many connections from your address"), 5
)
NO_ROOM: Final = TurnedAway(error(503, "Too much is under way: try again later"), 5)


class PlaceLimits(Protocol):
    """The limits of the server that matter here."""

    @property
    def max_connections(self) -> int: ...
    @property
    def max_connections_per_address(self) -> int: ...
    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...
    @property
    def bytes_under_way(self) -> int: ...


class HttpStatistics(NamedTuple):
    """What `HttpPlaces.statistics` returns."""

    in_line: int
    """Connections that wait for their turn to be served."""
    waiting: int
    """Connections that wait for their peer: for a request, a body, or the reading of an answer."""
    working: int
    """All others."""
    held_bytes: int
    """What all requests and answers in progress hold."""
    answers: int
    """Requests answered since the start."""
    turned_away: Mapping[int, int]
    """Connections that were turned away for want of a place, by status."""


class HttpGuest:
    """A connection, as the places know it."""

    def __init__(
        self, places: HttpPlaces, peer: str, let_go: Callable[[TurnedAway], None]
    ):
        self.address = places.address_of(peer)
        self.let_go = let_go
        """Ends the connection."""
        self.held = 0
        """Bytes of a request or an answer that it holds."""
        self._places = places
        self._room = places.room

    def answered(self) -> None:
        """Count a request that was answered."""
        self._places.answers += 1

    def begins(self) -> None:
        """Its turn has come, so now it waits for its peer."""
        self._places.begins(self)

    def waits(self) -> None:
        """From now on it waits for its peer."""
        self._places.waits(self)

    def works(self) -> None:
        """It no longer waits for its peer."""
        self._places.works(self)

    async def take(self, count: int) -> bool:
        """Hold `count` more bytes; False if there is no room for them."""
        small = self.held + count <= SMALL
        if not await self._room.take(count, small=small):
            return False
        self.held += count
        return True

    def take_now(self, count: int) -> bool:
        """As `take`, but without waiting, for bytes that exist already."""
        small = self.held + count <= SMALL
        if not self._room.take_now(count, small=small):
            return False
        self.held += count
        return True

    def give_back(self, count: int | None = None) -> None:
        """Hold `count` fewer bytes; by default, none from now on."""
        count = self.held if count is None else count
        if count:
            self.held -= count
            self._room.give_back(count)


class HttpPlaces:
    """The connections of a server."""

    def __init__(
        self,
        limits: PlaceLimits,
        turn: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        self.room = Room(limits.bytes_under_way, self._free, turn)
        self._most = limits.max_connections
        self._most_per_address = limits.max_connections_per_address
        self._trusted = trusted_networks(limits.trusted_proxies)
        self._present: set[HttpGuest] = set()
        self._by_address: Counter[str] = Counter()
        # Since when each connection waits for its turn, or for its peer, the longest first.
        self._in_line: OrderedDict[HttpGuest, float] = OrderedDict()
        self._waiting: OrderedDict[HttpGuest, float] = OrderedDict()
        self.answers = 0
        self._turned_away = {FULL.answer.status: 0, ADDRESS_FULL.answer.status: 0}

    def statistics(self) -> HttpStatistics:
        """What the connections are doing."""
        in_line, waiting = len(self._in_line), len(self._waiting)
        return HttpStatistics(
            in_line,
            waiting,
            len(self._present) - in_line - waiting,
            self.room.taken,
            self.answers,
            dict(self._turned_away),
        )

    @property
    def waiting(self) -> int:
        """How many connections wait for their peer."""
        return len(self._waiting)

    def address_of(self, peer: str) -> str | None:
        """The address that a peer counts as; for IPv6 its /64, as easy to get as an address.

        None if the peer has no limit of its own.
        """
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return peer
        address = getattr(address, "ipv4_mapped", None) or address
        if not self._most_per_address or any(address in n for n in self._trusted):
            return None
        if isinstance(address, IPv6Address):
            return str(IPv6Network((address, 64), strict=False))
        return str(address)

    def enter(self, guest: HttpGuest) -> TurnedAway | None:
        """Give a place to a connection, which then waits for its turn, or say why there is none."""
        why = self._enter(guest)
        if why is not None:
            self._turned_away[why.answer.status] += 1
        return why

    def _enter(self, guest: HttpGuest) -> TurnedAway | None:
        address = guest.address
        if address is not None:
            if self._by_address[address] >= self._most_per_address:
                if not self._make_way(address):
                    return ADDRESS_FULL
        if len(self._present) >= self._most and not self._make_way(None):
            return FULL
        self._present.add(guest)
        if address is not None:
            self._by_address[address] += 1
        self._in_line[guest] = trio.current_time()
        return None

    def begins(self, guest: HttpGuest) -> None:
        if self._in_line.pop(guest, None) is not None:
            self.waits(guest)

    def leave(self, guest: HttpGuest) -> None:
        """Free its place; the bytes it holds are given back separately."""
        if guest not in self._present:
            return
        self._present.remove(guest)
        self._in_line.pop(guest, None)
        self.works(guest)
        if guest.address is not None:
            self._by_address[guest.address] -= 1
            if not self._by_address[guest.address]:
                del self._by_address[guest.address]

    def waits(self, guest: HttpGuest) -> None:
        if guest in self._present:
            self._waiting[guest] = trio.current_time()
            self._waiting.move_to_end(guest)

    def works(self, guest: HttpGuest) -> None:
        self._waiting.pop(guest, None)

    def _make_way(self, address: str | None) -> bool:
        """End one connection, of `address` unless that is None; False if none has waited long.

        For a newcomer from elsewhere, those that wait for their turn go first, since only an
        address that brings many waits long. For one from their own address they don't: a flood
        would end the first in line each time, just before its turn.
        """
        latest = trio.current_time() - GRACE
        if address is None:
            for guest, since in self._in_line.items():
                if since > latest:
                    break
                self._let_go(guest, FULL)
                return True
        for guest, since in self._waiting.items():
            if since > latest:
                break
            if address is None or guest.address == address:
                self._let_go(guest, FULL)
                return True
        return False

    def _free(self, count: int) -> float:
        """End connections that hold bytes for peers which neither read nor complete them.

        Frees `count` bytes if possible; returns when to try again.
        """
        holding = [guest for guest in self._waiting if guest.held]
        now = trio.current_time()
        for guest in holding:
            due = self._waiting[guest] + HOLDING_GRACE
            if due > now:
                return due
            count -= guest.held
            self._let_go(guest, NO_ROOM)
            if count <= 0:
                break
        return now + GRACE

    def _let_go(self, guest: HttpGuest, refusal: TurnedAway) -> None:
        self.leave(guest)
        guest.let_go(refusal)
