"""Tickets: each stands for a token once, within seconds.

A script in a browser can send a WebSocket no header of its own. With a ticket it need not put its
token where others may see it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from trio_stream.access.tokens import Token

SECONDS: Final = 30.0
"""For how long a ticket is valid."""
MOST_TICKETS: Final = 10_000
MOST_PER_TOKEN: Final = 1_000
"""So that whoever has one token can't take all tickets from the others."""


class _Ticket(NamedTuple):
    token: Token
    expires: float


class Tickets:
    """The tickets that are valid and not used. `make` returns a new secret each time."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        # In the order in which they expire.
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self._by_token: Counter[Token] = Counter()

    def __len__(self) -> int:
        return len(self._tickets)

    def issue(self, token: Token, now: float) -> str | None:
        """A new ticket for this token; None if there are too many."""
        self._forget_expired(now)
        if len(self._tickets) >= MOST_TICKETS:
            return None
        if self._by_token[token] >= MOST_PER_TOKEN:
            return None
        ticket = self._make()
        self._tickets[ticket] = _Ticket(token, now + SECONDS)
        self._by_token[token] += 1
        return ticket

    def redeem(self, ticket: str, now: float) -> Token | None:
        """The token that it stands for, once."""
        self._forget_expired(now)
        found = self._tickets.pop(ticket, None)
        if found is None:
            return None
        self._count_out(found.token)
        return found.token

    def _forget_expired(self, now: float) -> None:
        while self._tickets:
            ticket, (token, expires) = next(iter(self._tickets.items()))
            if expires > now:
                return
            del self._tickets[ticket]
            self._count_out(token)

    def _count_out(self, token: Token) -> None:
        self._by_token[token] -= 1
        if not self._by_token[token]:
            del self._by_token[token]
