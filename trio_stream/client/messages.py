"""The messages of a stream, and what of them the client itself has to read.

What else they hold is up to the server. Two kinds come from followers of other chains alone. Events
of a transaction, or of a block, share a position: only the last one has it, since a stream that
continued there would miss the others. And blocks that a follower could not get are a message of
their own, a `Gap`.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from trio_stream.stream.position import Position

# Any JSON object; what it holds is up to the server.
Event = dict[str, Any]
"""A message, as a JSON object."""


class Gap(dict[str, Any]):
    """A message that says that the server lacks some blocks, whatever they contained.

    Servers without the option `--allow-gaps` never send it. The stream continues after `last`.
    """

    @property
    def first(self) -> int:
        """The height of the first block that is missing."""
        return int(self["gap"]["first"])

    @property
    def last(self) -> int:
        """The height of the last one."""
        return int(self["gap"]["last"])

    @property
    def reason(self) -> str:
        """Why they are missing, in one word."""
        return str(self["gap"]["reason"])

    @property
    def detail(self) -> str:
        """Why they are missing, in a sentence."""
        return str(self["gap"]["detail"])


class Part(NamedTuple):
    """The place of an event among those that share its position."""

    position: Position
    number: int


def parse(text: str | bytes) -> Event | None:
    """The message in a frame; None if it is no JSON object."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict):
        return None
    return Gap(message) if _is_gap(message.get("gap")) else message


def part_of(message: Event) -> Part | None:
    """Which part of a position an event is; None for any other message. Raises ValueError."""
    if "event_index" not in message:
        return None
    height, number = message.get("height"), message["event_index"]
    index = message.get("index")
    if not (isinstance(height, int) and isinstance(number, int)):
        raise ValueError("an event without its place")
    if index is None:
        return Part(Position.end_of(height), number)
    if not isinstance(index, int):
        raise ValueError("an event without its place")
    return Part(Position(height, index), number)


def _is_gap(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("first"), int)
        and isinstance(value.get("last"), int)
        and {"reason", "detail"} <= value.keys()
    )
