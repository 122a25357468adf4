"""Messages as Server-Sent Events: the position is the `id`, the message the `data`.

Richer messages say their position themselves; it is taken from there, and for the plain
form all that follows BigchainDB's members is cut off again. So this takes what the tail
and the log hold for subscribers who want positions, and nothing is made twice.

Two ids are no positions: a browser that reconnects says the last id it got, and is told by
status 204 to give up if that was one of these.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from trio_stream.stream.selection import Stream

OVER: Final = ("refused", "end")
"""Ids after which a stream is not to be opened again."""

# Inside of a JSON text every other quotation mark is escaped.
_POSITION: Final = re.compile(rb', "position": "([^"]*)"')
_INDEX: Final = b', "index": '

COMMENT: Final = b":\n\n"

_LAST_ID: Final = "lasteventid"


def split_last_id(query: str) -> tuple[str, str]:
    """The last event's id that a query string says, and the query string without it.

    Clients that cannot send the header write it here, each in a spelling of its own, behind what
    they were given; so of several the last one counts. Empty: none.
    """
    last, others = "", []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name).lower().replace("-", "").replace("_", "") == _LAST_ID:
            last = unquote_plus(value)
        else:
            others.append(part)
    return last, "&".join(others)


def position_of(text: bytes) -> str:
    """The position that a message in a richer form says."""
    found = _POSITION.search(text)
    assert found is not None
    return found[1].decode("ascii")


def plain(text: bytes, stream: Stream) -> bytes:
    """The same message in its plain form."""
    if stream is Stream.VALID_TRANSACTIONS:
        return text[: text.index(_INDEX)] + b"}"
    found = _POSITION.search(text)
    assert found is not None
    return text[: found.start()] + b"}"


def event(data: bytes, *, id_: str | None = None, name: str | None = None) -> bytes:
    """An event; browsers give it to `onmessage`, or to listeners for its name."""
    lines = [f"id: {id_}\n"] if id_ is not None else []
    if name is not None:
        lines.append(f"event: {name}\n")
    return b"%bdata: %b\n\n" % ("".join(lines).encode("ascii"), data)


def checkpoint(position: str) -> bytes:
    """A position without a message: browsers keep it, and tell nobody."""
    return f"id: {position}\n\n".encode("ascii")


def retry(milliseconds: int) -> bytes:
    """After how long a browser is to reconnect."""
    return b"retry: %d\n\n" % milliseconds
