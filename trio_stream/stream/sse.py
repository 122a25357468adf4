"""Messages as Server-Sent Events: the position is the `id`, the message the `data`.

Richer messages contain their position; it is taken from there, and for the plain form it
is cut off again. So this works on what the tail and the log hold for subscribers that want
positions, and nothing is made twice.

Two ids are not positions: a browser that reconnects sends the last id it got, and if that was
one of these, status 204 tells it to give up.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

OVER: Final = ("refused", "end")
"""Ids after which a stream must not be opened again."""

# Any quotation mark inside a JSON text is escaped.
_POSITION: Final = re.compile(rb', "position": "([^"]*)"')

COMMENT: Final = b":\n\n"

_LAST_ID: Final = "lasteventid"


def split_last_id(query: str) -> tuple[str, str]:
    """The last event's id in a query string, and the query string without it.

    Clients that cannot send the header write it here, each in its own spelling, and append it to
    what they were given; so the last one counts. Empty if there is none.
    """
    last, others = "", []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if unquote_plus(name).lower().replace("-", "").replace("_", "") == _LAST_ID:
            last = unquote_plus(value)
        else:
            others.append(part)
    return last, "&".join(others)


def position_of(text: bytes) -> str | None:
    """The position in a message of a richer form; None if more of the same position follows."""
    found = _POSITION.search(text)
    return None if found is None else found[1].decode("ascii")


def without_position(text: bytes) -> bytes:
    """A message that says its position, up to there."""
    found = _POSITION.search(text)
    assert found is not None
    return text[: found.start()] + b"}"


def event(data: bytes, *, id_: str | None = None, name: str | None = None) -> bytes:
    """An event; browsers pass it to `onmessage`, or to listeners for its name."""
    lines = [f"id: {id_}\n"] if id_ is not None else []
    if name is not None:
        lines.append(f"event: {name}\n")
    return b"%bdata: %b\n\n" % ("".join(lines).encode("ascii"), data)


def checkpoint(position: str) -> bytes:
    """A position without a message: browsers keep it without raising an event."""
    return f"id: {position}\n\n".encode("ascii")


def retry(milliseconds: int) -> bytes:
    """How long a browser is to wait before it reconnects."""
    return b"retry: %d\n\n" % milliseconds
