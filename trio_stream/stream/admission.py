"""How many subscribers all doors together may admit, and which address each one counts for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, NamedTuple

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class Door(Enum):
    """How a subscriber follows the channel."""

    WEBSOCKET = "websocket"
    SSE = "sse"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class TooMany:
    """Why one more is not admitted; each door says so in its own way."""

    status: int
    message: str
    retry_after: int = 10
    """Seconds after which to try again."""


FULL: Final = TooMany(503, "Too many subscribers")
ADDRESS_FULL: Final = TooMany(429, "Too many subscribers from this address")
ADDRESS_CONNECTED: Final = TooMany(429, "Too many connections from this address")


class AdmissionStatistics(NamedTuple):
    """What `Admission.statistics` returns."""

    present: Mapping[str, int]
    """Subscribers by door."""
    admitted: Mapping[str, int]
    """Those admitted since the start, by door."""
    refused: Mapping[int, int]
    """Those turned away since the start, by status."""
    departed: Mapping[str, int]
    """Why those left that said so, by kind of reason."""


class Admission:
    """Counts the subscribers of all doors, in total and by address (0: no limit by address).

    Raises ValueError for a proxy that is neither an address nor a network.
    """

    def __init__(
        self,
        *,
        total: int = 20_000,
        per_address: int = 0,
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        self.present = 0
        self._total = total
        self._per_address = per_address
        self._trusted = trusted_networks(trusted_proxies)
        self._by_address: Counter[str] = Counter()
        self._by_door = dict.fromkeys(Door, 0)
        self._admitted = dict.fromkeys(Door, 0)
        self._departed: Counter[str] = Counter()
        self._refused = {FULL.status: 0, ADDRESS_FULL.status: 0}

    def statistics(self) -> AdmissionStatistics:
        """How many subscribers there are, and have been."""
        return AdmissionStatistics(
            {door.value: count for door, count in self._by_door.items()},
            {door.value: count for door, count in self._admitted.items()},
            dict(self._refused),
            dict(self._departed),
        )

    def note_departure(self, kind: str) -> None:
        """Count why one left; there are few kinds."""
        self._departed[kind] += 1

    @property
    def addresses(self) -> int:
        """How many addresses have subscribers, if there is a limit by address."""
        return len(self._by_address)

    def address_of(self, peer: str, forwarded: Sequence[bytes]) -> str:
        """The address that a request counts for: its peer, or the one a trusted proxy names."""
        return client_address(peer, forwarded, self._trusted)

    def enter(self, address: str, door: Door = Door.WEBSOCKET) -> TooMany | None:
        """Count one in, unless it is one too many."""
        limit = self._limit(address)
        if limit is not None:
            self._refused[limit.status] += 1
            return limit
        if self._per_address:
            self._by_address[counted_address(address)] += 1
        self.present += 1
        self._by_door[door] += 1
        self._admitted[door] += 1
        return None

    def leave(self, address: str, door: Door = Door.WEBSOCKET) -> None:
        """Count one out that was counted in."""
        self.present -= 1
        self._by_door[door] -= 1
        if self._per_address:
            counted = counted_address(address)
            self._by_address[counted] -= 1
            if not self._by_address[counted]:
                del self._by_address[counted]

    def _limit(self, address: str) -> TooMany | None:
        if self.present >= self._total:
            return FULL
        if self._per_address:
            # Asked without `[]`, which would make an entry for each address that is turned away.
            present = self._by_address.get(counted_address(address), 0)
            if present >= self._per_address:
                return ADDRESS_FULL
        return None


class Connections:
    """Counts a door's connections by address (0: no limit), except those of trusted proxies."""

    def __init__(self, per_address: int, trusted_proxies: Iterable[str] = ()) -> None:
        self._per_address = per_address
        self._trusted = trusted_networks(trusted_proxies)
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def counted(self, peer: str) -> Iterator[bool]:
        """Yields whether one more from this peer may stay, which is counted meanwhile."""
        if not self._per_address or is_trusted(peer, self._trusted):
            yield True
            return
        address = counted_address(client_address(peer, (), ()))
        if self._by_address.get(address, 0) >= self._per_address:
            yield False
            return
        self._by_address[address] += 1
        try:
            yield True
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]


def trusted_networks(proxies: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks. Raises ValueError for anything else."""
    return tuple(ip_network(proxy, strict=False) for proxy in proxies)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Is this the address of a trusted proxy?"""
    address = _read(peer)
    return address is not None and any(address in network for network in trusted)


def client_address(
    peer: str, forwarded: Sequence[bytes], trusted: Sequence[Network]
) -> str:
    """The address a connection counts for: the nearest one that is not a trusted proxy.

    `forwarded` holds the values of X-Forwarded-For, to which each proxy appends its
    peer; only what trusted proxies added can be believed.
    """
    address = _read(peer)
    if address is None:
        return peer
    hops = [hop for value in forwarded for hop in value.split(b",")]
    while hops and any(address in network for network in trusted):
        nearer = _read(hops.pop().strip().decode("ascii", "replace"))
        if nearer is None:
            break
        address = nearer
    return str(address)


def counted_address(address: str) -> str:
    """What limits by address count: for IPv6 its /64, which is as easy to get as an address."""
    found = _read(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False))
    return address


def _read(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
