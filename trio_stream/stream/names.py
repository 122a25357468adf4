"""How messages show what a client sent, and which parameter it meant by an unknown name.

A query string's unknown parameters are ignored, as BigchainDB ignores all of them. But
somebody who writes `since=5` must not get a stream from now on without a word. So a name
counts as meant for us if, written in small letters and without anything but letters,

    it is a word that other systems have for one of ours (`_WORDS`), or
    three quarters of its letters and ours agree, as `difflib` counts them.
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
    **dict.fromkeys(["details", "format", "full", "verbose", "form"], "detail"),
    **dict.fromkeys(["empty", "includeempty"], "empty_blocks"),
    **dict.fromkeys(["count", "max", "size", "perpage", "pagesize"], "limit"),
    **dict.fromkeys(["timeout", "poll"], "wait"),
}


def meant_by(name: str, known: Iterable[str]) -> str | None:
    """The name among `known` that `name` resembles; None if it resembles none."""
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
    """A text as a message shows it: in quotation marks, cut to `limit` characters."""
    # One more than is shown, so that the end is seen to be missing.
    shown = repr(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}…"


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))
