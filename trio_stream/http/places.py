"""Which connections the HTTP door has, how many there may be, and who gives way to new ones.

A connection either waits for its peer, which owes it a request, a body, or the reading of an
answer; or it works. Where all places are taken, in all or for one address, the one that has
waited for longest gives way, since whoever means to be served does not let the door wait; if
none has waited for long, the new one is turned away with an answer. So no number of peers
that drip, stall or do nothing closes the door to others, from however many addresses they
come. A proxy's connections are those of many, so its address has no limit of its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple, Protocol

import trio

from trio_stream.http.answers import HttpAnswer, error
from trio_stream.http.room import SMALL, Room
from trio_stream.stream.admission import trusted_networks

GRACE: Final = 1.0
"""Seconds for which nobody gives its place to another."""
HOLDING_GRACE: Final = 5.0
"""Seconds for which nobody gives back the bytes it holds for its peer."""


class TurnedAway(NamedTuple):
    """Why a connection ends; what its peer is told if it waits for an answer."""

    answer: HttpAnswer
    retry_after: int | None = None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What it says beside the answer."""
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
    """What is asked of the door's limits."""

    @property
    def max_connections(self) -> int: ...
    @property
    def max_connections_per_address(self) -> int: ...
    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...
    @property
    def bytes_under_way(self) -> int: ...


class HttpGuest:
    """A connection, as the door knows it."""

    def __init__(
        self, places: HttpPlaces, peer: str, let_go: Callable[[TurnedAway], None]
    ):
        self.address = places.address_of(peer)
        self.let_go = let_go
        """Ends the connection."""
        self.held = 0
        """Bytes of a request or an answer."""
        self._places = places
        self._room = places.room

    def begins(self) -> None:
        """Its turn has come; first it waits for its peer."""
        self._places.begins(self)

    def waits(self) -> None:
        """From now on it waits for its peer."""
        self._places.waits(self)

    def works(self) -> None:
        """It does not wait for its peer any more."""
        self._places.works(self)

    async def take(self, count: int) -> bool:
        """Hold so many bytes more; False if there is no room for them."""
        small = self.held + count <= SMALL
        if not await self._room.take(count, small=small):
            return False
        self.held += count
        return True

    def take_now(self, count: int) -> bool:
        """The same without waiting, for what is there already."""
        small = self.held + count <= SMALL
        if not self._room.take_now(count, small=small):
            return False
        self.held += count
        return True

    def give_back(self, count: int | None = None) -> None:
        """Hold so many bytes less, or none."""
        count = self.held if count is None else count
        if count:
            self.held -= count
            self._room.give_back(count)


class HttpPlaces:
    """The connections of a door."""

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
        # Since when each waits for its turn, and for its peer, the longest first.
        self._in_line: OrderedDict[HttpGuest, float] = OrderedDict()
        self._waiting: OrderedDict[HttpGuest, float] = OrderedDict()

    def address_of(self, peer: str) -> str | None:
        """What a peer counts as: networks of IPv6 are as easy to have as addresses of IPv4."""
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
        """Give it a place, if there is one or somebody makes way; next it waits for its turn."""
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
        """Its place is free; what it holds is given back by itself."""
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
        """Let one go, of this address if there is one.

        Those who wait for their turn make way for other addresses first, since only an address
        that brings many waits for long; but never for their own, whose newcomers would go on
        and on to take the turn from the first in the line.
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
        """Let go who holds so many bytes for peers that don't take or complete them."""
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
