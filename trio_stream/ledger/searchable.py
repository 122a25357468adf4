"""The text of a transaction: what text search is asked about.

BigchainDB kept an asset document of each CREATE and election, and a metadata document of every
transaction, and searched all strings in them at any depth, and their ids; names of members, numbers
and booleans it did not. The id of a document is left out here: it is the transaction's, which is
found without an index of words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from trio_stream.ledger.words import terms_of

BETWEEN: Final = " \ue000 "
"""Keeps a phrase from matching across two strings: a word that no query can ask for."""


class Text(NamedTuple):
    """The terms of both documents, as `words` makes them; None where there are none."""

    asset: str | None
    metadata: str | None


def text_of(document: Mapping[str, Any]) -> Text:
    """What to search for a transaction, given as its JSON object."""
    return Text(_joined(document["asset"].get("data")), _joined(document["metadata"]))


def _joined(value: object) -> str | None:
    # Put together first: it costs less to look at one text than at many.
    text = BETWEEN.join(_strings(value))
    return " ".join(terms_of(text)) or None if text else None


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
