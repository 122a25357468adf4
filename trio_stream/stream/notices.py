"""What a subscriber is told about its stream, if it asked for it.

Notices are messages of their own that never hold `transaction_id`:

    subscribed    the first one: what the headers of the answer say
    caught_up     all that there was has been sent; what follows is live
    fell_behind   the client was too slow for the live tail and is served from the log
    checkpoint    nothing matched up to here
    closing       the server stops; go on from here, or elsewhere
    refused       it cannot begin there; the connection is closed with a code of its own

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
"""A client whose filter matches nothing is told its position after so many blocks or seconds."""


class Notice(enum.Enum):
    """The kinds that tell a position and no more."""

    CAUGHT_UP = "caught_up"
    FELL_BEHIND = "fell_behind"
    CHECKPOINT = "checkpoint"
    CLOSING = "closing"


class Telling:
    """Which notice is due to one client. Time is passed in."""

    def __init__(self, position: Position, *, now: float) -> None:
        self.told = position
        """The last position of which the client knows by a message or a notice."""
        self._since = now
        self._live = False

    def due(
        self, position: Position, *, live: bool, at_tip: bool, now: float
    ) -> Notice | None:
        """What to tell a client that stands at `position` and is not being served."""
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
        """The client was sent something that tells it this position."""
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
    """What the answer that opens a stream says about it; without a position it is refused."""
    return [
        *([("Stream-Position", position)] if position is not None else []),
        ("Stream-Oldest", str(landmarks.oldest)),
        ("Stream-Tip", str(landmarks.tip)),
        ("Stream-Chain", _header_value(landmarks.chain)),
    ]


def _header_value(text: str) -> str:
    """A chain may be named by any text; what no header can hold is escaped as in JSON."""
    return (
        json.dumps(text)[1:-1] if not text.isprintable() or not text.isascii() else text
    )


def _text(**members: object) -> bytes:
    return json.dumps(members).encode("ascii")
