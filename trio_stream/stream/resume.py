"""Whether a subscriber can begin where it asks to, and the refusal if it can't.

The log's side of the question is a value, `Landmarks`, so that this is a pure function. A
position is looked up by place, and its fingerprint has to match what stands there: after a
devnet is reset, heights come again under the same chain id. A client may know more than this
node, having come from one that is ahead: a position not far beyond the tip is accepted, and
compared when the log gets there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, NamedTuple

from trio_stream.stream.page_request import S
from trio_stream.stream.position import (
    FINGERPRINT,
    GivenPosition,
    Position,
    position_text,
)
from trio_stream.stream.request import (
    After,
    Asked,
    BadRequest,
    FromHeight,
    NamedPlace,
    TransactionId,
)

# Seconds after which a client that is ahead may try again.
RETRY_AFTER: Final = 10


class Found(NamedTuple):
    """What the log has at a position: an id, a hash of bytes, or an app hash."""

    position: Position
    fingerprint: str | None
    committed: bool = True
    is_missing: bool = False
    """Whether nobody knows what is there, since the log lacks the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """What the log says about itself and about one place in it, at one moment."""

    chain: str = ""
    oldest: int = 1
    start_hash: str = ""
    tip: int = 0
    tip_hash: str | None = ""
    """None: nobody knows, since the log lacks the block."""
    found: Found | None = None
    is_cut: bool = False
    """Whether there may have been blocks before `oldest`, which are not in the log."""

    @property
    def start(self) -> Found:
        """The place before the first block."""
        return Found(Position.end_of(self.oldest - 1), self.start_hash)

    @property
    def end(self) -> Found:
        """The place after the newest block."""
        if not self.tip:
            return self.start
        return Found(Position.end_of(self.tip), self.tip_hash)


class ResumeRefused(Exception):
    """The stream cannot begin there; each door says so in its own way."""

    notices = False
    """Whether notices were asked for."""

    def __init__(
        self, status: int, error: str, message: str, landmarks: Landmarks
    ) -> None:
        super().__init__(status, error, message, landmarks)
        self.status = status
        self.error = error
        self.message = message
        self.landmarks = landmarks

    def __str__(self) -> str:
        return self.message

    @property
    def close_code(self) -> int:
        """The WebSocket close code for a client that cannot see the status."""
        return 4000 + self.status

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the same may be asked again here; None: it would be refused again."""
        return RETRY_AFTER if self.status == 503 else None

    def members(self) -> dict[str, object]:
        """Its details for the client, in order."""
        return {
            "error": self.error,
            "message": self.message,
            "status": self.status,
            "oldest": self.landmarks.oldest,
            "tip": self.landmarks.tip,
            "chain": self.landmarks.chain,
        }

    def body(self) -> bytes:
        """The details as a JSON text."""
        return json.dumps(self.members()).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where a stream begins and ends."""

    after: Position
    text: str
    """`after` as clients see it."""
    until: Position | None
    unproven: str | None
    """The fingerprint to be compared when the log has reached `after`."""
    landmarks: Landmarks


def place_of(after: After) -> Position | str | None:
    """What to ask the log about: a position, a transaction id, or nothing."""
    match after:
        case GivenPosition(position=position):
            return position
        case TransactionId(text=text):
            return text
        case FromHeight(height=height):
            return Position.end_of(max(height - 1, 0))
        case _:
            return None


def begin(
    asked: Asked[S],
    landmarks: Landmarks,
    *,
    resume_ahead: int,
    finds_refused: bool = False,
) -> Beginning:
    """Where the stream that was asked for begins. Raises `ResumeRefused`.

    `finds_refused` says whether that may be after a transaction that was refused.
    """
    try:
        found, unproven = _find(asked.after, landmarks, resume_ahead, finds_refused)
    except ResumeRefused as refused:
        refused.notices = asked.notices
        raise
    # Nothing lies below the first block, so to ask for that is to ask for everything.
    found = max(found, landmarks.start, key=lambda each: each.position)
    until = landmarks.tip if asked.until is NamedPlace.TIP else asked.until
    return Beginning(
        after=found.position,
        text=position_text(*found.position, found.fingerprint),
        until=Position.end_of(until) if isinstance(until, int) else None,
        unproven=unproven,
        landmarks=landmarks,
    )


def _find(
    after: After, landmarks: Landmarks, resume_ahead: int, finds_refused: bool
) -> tuple[Found, str | None]:
    match after:
        case NamedPlace.EARLIEST:
            return landmarks.start, None
        case NamedPlace():
            return landmarks.end, None
        case TransactionId(text=text):
            return _by_id(text, landmarks, finds_refused), None
        case FromHeight(height=height):
            given = GivenPosition(Position.end_of(max(height - 1, 0)), None)
        case _:
            given = after
    if given.position.height > landmarks.tip:
        _refuse_if_far(given.position.height, landmarks, resume_ahead)
        return Found(given.position, given.fingerprint), given.fingerprint
    if landmarks.is_cut and given.position < landmarks.start.position:
        raise dropped(given.position, landmarks)
    found = landmarks.found or Found(given.position, None)
    if given.position <= landmarks.start.position:
        return _before_everything(given, landmarks), None
    prove(given, found, landmarks)
    return found, None


def _by_id(text: str, landmarks: Landmarks, finds_refused: bool) -> Found:
    found = landmarks.found
    if found is None or not (found.committed or finds_refused):
        message = f"this node has no transaction {text}"
        raise ResumeRefused(404, "unknown_transaction", message, landmarks)
    return found


def _before_everything(given: GivenPosition, landmarks: Landmarks) -> Found:
    # Before InitChain a node knows neither its first height nor the hash before it, and says
    # "0::" then; so an empty fingerprint is valid there on every chain.
    if given.position == landmarks.start.position or not given.fingerprint:
        if given.fingerprint:
            prove(given, landmarks.start, landmarks)
        return landmarks.start
    raise _other_history(given, landmarks)


def prove(given: GivenPosition, found: Found, landmarks: Landmarks) -> None:
    """Raise `ResumeRefused` unless the log has what the client expects there."""
    # Whoever comes from another server may well know it. The stream then begins by saying which
    # blocks are missing here.
    if given.fingerprint is None or found.is_missing:
        return
    there = found.fingerprint
    if there is None or there[:FINGERPRINT] != given.fingerprint:
        raise _other_history(given, landmarks)


def _other_history(given: GivenPosition, landmarks: Landmarks) -> ResumeRefused:
    text = position_text(*given.position, given.fingerprint)
    return ResumeRefused(
        409,
        "other_history",
        f"position {text} does not belong to this node's chain history",
        landmarks,
    )


def dropped(position: Position, landmarks: Landmarks) -> ResumeRefused:
    """The refusal if blocks after this position are not in the log any more."""
    text = position_text(*position, None)
    return ResumeRefused(
        410,
        "pruned",
        f"what follows position {text} is no longer here: the oldest block is"
        f" {landmarks.oldest}",
        landmarks,
    )


def _refuse_if_far(height: int, landmarks: Landmarks, resume_ahead: int) -> None:
    if height > landmarks.tip + resume_ahead:
        raise ResumeRefused(
            503,
            "ahead",
            f"block {height} is more than {resume_ahead} blocks ahead of this node,"
            f" which is at {landmarks.tip}",
            landmarks,
        )


def unreadable(error: BadRequest, landmarks: Landmarks) -> ResumeRefused:
    """The refusal of a request that cannot be read."""
    refused = ResumeRefused(error.status, error.error, str(error), landmarks)
    refused.notices = error.notices
    return refused
