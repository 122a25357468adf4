"""Clients of other protocols, which are admitted here and served elsewhere.

Who may connect, how many, and how long a request may take is the same for all that connect to this
port. After that, each protocol writes its own answer to the upgrade.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import trio

from trio_stream.access.guard import Guard
from trio_stream.access.tokens import Permission, Token
from trio_stream.net.upgrades import Caller, Visitor
from trio_stream.stream.handshake import Upgrade

Welcome = Callable[[Caller], Awaitable[str | None]]
"""Serves a client until it leaves; returns why."""

Others = Mapping[str, Welcome]
"""By path."""

NOBODY: Final[Others] = MappingProxyType({})


class Guest(NamedTuple):
    """A client of another protocol that was admitted."""

    address: str
    upgrade: Upgrade
    early: bytes
    """What it sent after its request."""
    token: Token | None
    welcome: Welcome


class Notes(Protocol):
    """Who notes that guests come and go."""

    def note_arrival(self, client: Guest) -> None: ...

    def note_departure(self, client: Guest, reason: str | None) -> None: ...


async def entertain(
    guest: Guest,
    visitor: Visitor,
    patience: trio.CancelScope,
    notes: Notes,
    guard: Guard | None,
) -> None:
    """Have a guest served; `patience` ends unless it has its answer by then."""

    def lift() -> None:
        patience.deadline = math.inf
        notes.note_arrival(guest)

    def as_long_as_allowed(end: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext() if guard is None else guard.streaming(guest.token, end)

    token = guest.token
    caller = Caller(
        visitor.stream,
        visitor.raw,
        guest.upgrade.key,
        guest.upgrade.protocol,
        guest.early,
        token is None or Permission.POST in token.permissions,
        lift,
        as_long_as_allowed,
    )
    reason = None
    try:
        reason = await guest.welcome(caller)
    finally:
        notes.note_departure(guest, reason)
