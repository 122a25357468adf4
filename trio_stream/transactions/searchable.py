"""The text of a transaction, for text search.

BigchainDB kept an asset document of each CREATE and election, and a metadata document of every
transaction; it searched all strings in them, at any depth, and their ids, but not names of members,
numbers or booleans. The id of a document is left out here: it is the transaction's, which is found
without an index of words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from trio_stream.transactions.words import terms_of_words, words_of

BETWEEN: Final = "\ue000"
"""A word that no query can ask for: it keeps a phrase from matching across two strings."""


class Text(NamedTuple):
    """The terms of each document, as `words` makes them; None if there are none."""

    asset: str | None
    metadata: str | None


def text_of(document: Mapping[str, Any]) -> Text:
    """What a text search looks at in a transaction, given as its JSON object."""
    return Text(_joined(document["asset"].get("data")), _joined(document["metadata"]))


def _joined(value: object) -> str | None:
    if value is None:
        return None
    words: list[str] = []
    for text in _strings(value):
        if words:
            words.append(BETWEEN)
        words += words_of(text)
    # The terms of all strings at once, which is cheaper than one string at a time.
    return " ".join(terms_of_words(words)) or None


def _strings(value: object) -> list[str]:
    found = []
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict):
            left.extend(reversed(each.values()))
        elif isinstance(each, list):
            left.extend(reversed(each))
    return found
