"""Where a subscription with `after` begins: with the places and refusals of the streams."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Protocol

from trio_stream.jsonrpc.answers import SERVER_ERROR, Failure
from trio_stream.stream.position import Position, parse_position
from trio_stream.stream.request import (
    After,
    Asked,
    BadRequest,
    NamedPlace,
    TransactionId,
)
from trio_stream.stream.resume import (
    Landmarks,
    ResumeRefused,
    begin,
    place_of,
    unreadable,
)
from trio_stream.stream.selection import PLAIN

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")


class Start(NamedTuple):
    """The first block of a subscription, and the last of its transactions that is not for it."""

    height: int
    skipped: int | None = None


class Places(Protocol):
    """What the log says about places."""

    async def landmarks(self, place: Position | str | None) -> Landmarks: ...


async def start_after(text: str, places: Places) -> Start:
    """Where a subscription begins that has seen everything up to `text`.

    Raises Failure; its data is the JSON that the streams answer with, and has `oldest` in it.
    """
    try:
        try:
            asked = Asked(selection=PLAIN, after=_read(text))
        except BadRequest as error:
            raise unreadable(error, await places.landmarks(None)) from None
        landmarks = await places.landmarks(place_of(asked.after))
        # A subscriber that comes from a node that is ahead is told to try again.
        after = begin(asked, landmarks, resume_ahead=0).after
    except ResumeRefused as refused:
        data = refused.body().decode("ascii").rstrip()
        raise Failure(data, SERVER_ERROR) from None
    if after.is_end_of_block:
        return Start(after.height + 1)
    return Start(after.height, after.index)


def _read(text: str) -> After:
    if text == "earliest":
        return NamedPlace.EARLIEST
    if _HASH.fullmatch(text):
        return TransactionId(text.lower())
    try:
        return parse_position(text)
    except ValueError:
        raise BadRequest(
            f"'after' must be a position, a transaction's hash or 'earliest', not {text!r:.100}"
        ) from None
