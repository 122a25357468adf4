"""The text of a transaction: what text search is asked about.

BigchainDB kept an asset document of each CREATE and election, and a metadata document of every
transaction, and searched all strings in them at any depth, and their ids; names of members, numbers
and booleans it did not. The id of a document is left out here: it is the transaction's, which is
found without an index of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

BETWEEN: Final = " \ue000 "
"""Keeps a phrase from matching across two strings: a word that no query can ask for."""

WORD_LIMIT: Final = 256
"""Characters of a word; what is longer is an image or a key, which nobody looks up by its text."""

_LONG_WORD: Final = re.compile(r"\w{%d,}" % (WORD_LIMIT + 1))


class Text(NamedTuple):
    """The strings of both documents; None where there are none."""

    asset: str | None
    metadata: str | None


def text_of(document: Mapping[str, Any]) -> Text:
    """What to search for a transaction, given as its JSON object."""
    return Text(_joined(document["asset"].get("data")), _joined(document["metadata"]))


def _joined(value: object) -> str | None:
    text = BETWEEN.join(_strings(value))
    if len(text) > WORD_LIMIT:
        text = _LONG_WORD.sub(" ", text)
    return text or None


def _strings(value: object) -> Iterator[str]:
    left = [value]
    while left:
        match left.pop():
            case str(text):
                yield text
            case dict(members):
                left.extend(reversed(members.values()))
            case list(items):
                left.extend(reversed(items))
