"""Why subscribers leave, as one of a few kinds: reasons name details, kinds can be counted."""

from __future__ import annotations

from typing import Final

KINDS: Final = (
    "closed by the client",
    "closed without Close",
    "closed",
    "broken",
    "stalled",
    "no answer to Ping",
    "the client broke the protocol",
    "the end that was asked for",
    "the channel has ended",
    "refused",
    "its token was withdrawn",
    "cut",
)
OTHER: Final = "other"


def kind_of(reason: str | None) -> str:
    """The kind of a reason; details follow a colon."""
    kind = (reason or "").partition(":")[0]
    return kind if kind in KINDS else OTHER
