"""What a subscriber asks for, as a value; `query_string` reads it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Generic

from trio_stream.stream.page_request import S
from trio_stream.stream.position import GivenPosition

MAX_LIMIT: Final = 1_000
"""Messages in one answer to a pull."""
DEFAULT_LIMIT: Final = 100
MAX_WAIT: Final = 30
"""Seconds for which a pull may wait for a message."""


class NamedPlace(enum.Enum):
    """Places that have names instead of positions."""

    NOW = enum.auto()
    EARLIEST = enum.auto()
    TIP = enum.auto()


@dataclass(frozen=True, slots=True)
class TransactionId:
    """The place of a transaction."""

    text: str


@dataclass(frozen=True, slots=True)
class FromHeight:
    """The place before this block."""

    height: int


After = NamedPlace | GivenPosition | TransactionId | FromHeight


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[S]):
    """What a subscriber asks for."""

    selection: S
    after: After = NamedPlace.NOW
    until: NamedPlace | int | None = None
    notices: bool = False
    limit: int = DEFAULT_LIMIT
    wait: int = 0


class BadRequest(Exception):
    """The request cannot be read; the text says what is wrong."""

    status = 400
    error = "bad_request"
    notices = False
    """Whether it asks for notices."""


class UnknownStream(BadRequest):
    """The stream is one of another kind of chain."""

    status = 404
    error = "unknown_stream"
