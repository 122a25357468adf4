"""What the status of a node's answer says, before its body."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from trio_stream.follower.troubles import Overworked, Unreachable

OVERWORKED: Final = frozenset({429, 502, 503, 504})


def look(status: int, headers: Mapping[str, str]) -> None:
    """Raise Overworked if the status says so, and Unreachable if it points elsewhere."""
    if status in OVERWORKED:
        raise Overworked(f"status {status}", retry_after(headers))
    if status in range(300, 400):
        place = headers.get("location", "")[:200]
        raise Unreachable(f"the address redirects to {place!r}: give that one")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds for which a node wants to be left alone; None if it does not say.

    A date counts from the node's own.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        until = parsedate_to_datetime(said)
        return max(
            0.0,
            (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds(),
        )
    except (TypeError, ValueError, OverflowError):
        return None
