"""How messages quote what a client sent, and which parameter it meant by an unknown name.

A query string's unknown parameters are ignored, as BigchainDB ignores all of them. But
somebody who writes `since=5` must not silently get a stream that starts now. So a name counts
as meant for us if, in lower case and with everything but letters removed,

    it is another system's word for one of ours (`_WORDS`), or
    it agrees with one of ours by three quarters, as `difflib` counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.75

_WORDS = {
    **dict.fromkeys(
        [
            *("since", "start", "startafter", "startat", "startposition", "begin"),
            *("cursor", "offset", "position", "resume", "resumefrom", "resumeafter"),
            *("lasteventid", "lastid", "last", "continue", "token", "next", "sequence"),
        ],
        "after",
    ),
    **dict.fromkeys(
        [
            "from",
            "fromblock",
            "startheight",
            "startblock",
            "height",
            "block",
            "minheight",
        ],
        "from_height",
    ),
    **dict.fromkeys(
        [
            "to",
            "toheight",
            "toblock",
            "end",
            "endheight",
            "stop",
            "before",
            "maxheight",
        ],
        "until",
    ),
    **dict.fromkeys(["asset", "assets", "assetids"], "asset_id"),
    **dict.fromkeys(
        ["key", "keys", "pubkey", "publickeys", "owner", "owners", "ownersbefore"],
        "public_key",
    ),
    **dict.fromkeys(["op", "operations", "type", "filter"], "operation"),
    **dict.fromkeys(["queries", "filters", "where", "events"], "query"),
    **dict.fromkeys(["details", "format", "full", "verbose", "form"], "detail"),
    **dict.fromkeys(["empty", "includeempty"], "empty_blocks"),
    **dict.fromkeys(["count", "max", "size", "perpage", "pagesize"], "limit"),
    **dict.fromkeys(["timeout", "poll"], "wait"),
}


def meant_by(name: str, known: Iterable[str]) -> str | None:
    """The name in `known` that `name` resembles; None if there is none."""
    letters = _letters(name)
    if not letters:
        return None
    ours = {_letters(other): other for other in known}
    word = _WORDS.get(letters)
    if word in ours.values():
        return word
    near = get_close_matches(letters, ours, n=1, cutoff=_ALIKE)
    return ours[near[0]] if near else None


def quoted(text: str, limit: int) -> str:
    """A text as messages show it: in quotation marks, cut to `limit` characters."""
    # One more than is shown, so that a missing end is noticed.
    shown = repr(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}…"


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))
