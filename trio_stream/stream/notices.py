"""Notices about its stream to a subscriber that asked for them.

Notices are separate messages that never contain `transaction_id`:

    subscribed    the first one: the same as the headers of the answer
    caught_up     everything so far has been sent; what follows is live
    fell_behind   the client was too slow for the live tail and is served from the log
    checkpoint    nothing else matched up to here
    closing       the server stops; continue from here, or at another node
    refused       the stream cannot begin there; the close code says why

`position` is where the client stands once it has read the notice.
"""

from __future__ import annotations

import enum
import json
from typing import Final

from trio_stream.stream.position import Position
from trio_stream.stream.resume import Beginning, Landmarks, ResumeRefused

CHECKPOINT_SECONDS: Final = 5.0
CHECKPOINT_BLOCKS: Final = 10_000
"""After so many seconds or blocks without a match, a client is told its position."""


class Notice(enum.Enum):
    """The kinds that only give a position."""

    CAUGHT_UP = "caught_up"
    FELL_BEHIND = "fell_behind"
    CHECKPOINT = "checkpoint"
    CLOSING = "closing"


class Telling:
    """Which notice a client is due. Time is passed in."""

    def __init__(self, position: Position, *, now: float) -> None:
        self.told = position
        """The last position that a message or a notice has given to the client."""
        self._since = now
        self._live = False

    def due(
        self, position: Position, *, live: bool, at_tip: bool, now: float
    ) -> Notice | None:
        """The notice for a client that stands at `position` and has nothing unsent."""
        if at_tip and not self._live:
            self._live = True
            return Notice.CAUGHT_UP
        if self._live and not live:
            self._live = False
            return Notice.FELL_BEHIND
        passed = position.height - self.told.height
        late = now - self._since >= CHECKPOINT_SECONDS and position > self.told
        return Notice.CHECKPOINT if late or passed >= CHECKPOINT_BLOCKS else None

    def sent(self, position: Position, *, now: float) -> None:
        """Record that the client was sent this position."""
        self.told = position
        self._since = now


def notice_text(notice: Notice, *, position: str, chain: str) -> bytes:
    return _text(notice=notice.value, position=position, chain=chain)


def subscribed_text(beginning: Beginning) -> bytes:
    marks = beginning.landmarks
    return _text(
        notice="subscribed",
        position=beginning.text,
        oldest=marks.oldest,
        tip=marks.tip,
        chain=marks.chain,
    )


def refused_text(refused: ResumeRefused) -> bytes:
    return _text(notice="refused", **refused.members())


def stream_headers(position: str | None, landmarks: Landmarks) -> list[tuple[str, str]]:
    """The headers of the answer that opens a stream; without a position it is refused."""
    return [
        *([("Stream-Position", position)] if position is not None else []),
        ("Stream-Oldest", str(landmarks.oldest)),
        ("Stream-Tip", str(landmarks.tip)),
        ("Stream-Chain", _header_value(landmarks.chain)),
    ]


def _header_value(text: str) -> str:
    """Any text can be a chain's name; what a header can't hold is escaped as in JSON."""
    return (
        json.dumps(text)[1:-1] if not text.isprintable() or not text.isascii() else text
    )


def _text(**members: object) -> bytes:
    return json.dumps(members).encode("ascii")
