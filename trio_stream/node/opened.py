"""A daemon that is open but does not run yet, whatever it serves: what `daemon` is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trio_stream.net.stoppable import Stoppable


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the doors listen, as URLs for a client on this machine."""

    stream: str
    api: str
    abci: str = ""
    """Empty if no engine connects."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The daemon's addresses, and its tasks by name in starting order."""

    addresses: Addresses
    tasks: dict[str, Stoppable]
    stop: Callable[[], Awaitable[None]]
    """Stops all tasks in good order."""
    summary: Callable[[], str]
    """How it is doing, in a few words."""
    reload: Callable[[], None]
    """Reads certificates and tokens again; logs what it finds and never raises."""
