"""Which name of a parameter is meant by one that is not known.

A query string's unknown parameters are ignored, as BigchainDB ignores all of them. But
somebody who writes `since=5` must not get a stream from now on without a word. So a name
counts as meant for us if, written in small letters and without anything but letters,

    it is a word that other systems have for one of ours (`_WORDS`), or
    it takes at most two edits to become one of ours (one for those of up to five
    letters): a letter more, less, another one, or two exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHORT = 5

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
    word = _WORDS.get(letters)
    found: list[tuple[int, str]] = []
    for other in known:
        if other == word:
            return other
        wanted = _letters(other)
        allowed = 1 if len(wanted) <= _SHORT else 2
        if abs(len(wanted) - len(letters)) <= allowed:
            distance = edits(letters, wanted)
            if distance <= allowed:
                found.append((distance, other))
    return min(found)[1] if found else None


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))


def edits(one: str, other: str) -> int:
    """How many letters to add, drop, change or exchange with their neighbour.

    The optimal string alignment distance: no letter is touched twice.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        last, row = row, [i + 1]
        for j, wanted in enumerate(other):
            cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (letter != wanted))
            if i and j and letter == other[j - 1] and one[i - 1] == wanted:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before = last
    return row[-1]
