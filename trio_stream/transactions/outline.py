"""What an accepted transaction says, read again without judging it.

A log is checked by comparing its rows with what its transactions say. Whether their structure is
right and their signatures are valid was decided when they were accepted, and takes most of the
time; whether a transaction is still the one that was accepted then is shown by its id. So this
reads only what the rows hold, at twice the speed of `model.parse`, and checks only the id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from trio_stream.transactions import canonical
from trio_stream.transactions.conditions import ED25519, NAMES, condition_of_details
from trio_stream.transactions.errors import InvalidHash, MalformedTransaction
from trio_stream.transactions.owners import NamedKey, keys_named

KEPT: Final = 10_000
kept_uris: Final[dict[str, str]] = {}
"""Conditions of single keys, by the key, as many as `KEPT`: computing one takes a fifth of the time
that reading a transaction takes, and most keys occur more than once."""

_ED25519: Final = NAMES[ED25519]


class Outline(NamedTuple):
    """What the log's rows hold of a transaction, and the JSON object that it was read from."""

    id: str
    asset_id: str
    operation: str
    outputs: Sequence[tuple[int, str | None]]
    """Amount and condition of each."""
    spends: Sequence[tuple[str, int]]
    """Id and index of each output that it spends."""
    keys: Sequence[NamedKey]
    document: Mapping[str, Any]


def read_outline(raw: bytes) -> Outline:
    """The outline of these bytes; raises a ValidationError, never anything else."""
    document = canonical.decode(raw)
    if not isinstance(document, dict):
        raise MalformedTransaction("not a JSON object")
    text = canonical.serialize({**document, "id": None})
    computed = hashlib.sha3_256(text.encode()).hexdigest()
    if document.get("id") != computed:
        raise InvalidHash(f"its contents have the id {computed}")
    try:
        return _outline(computed, document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedTransaction("not the structure of a transaction") from error


def _outline(transaction_id: str, document: dict[str, Any]) -> Outline:
    inputs, outputs = document["inputs"], document["outputs"]
    details = [each["condition"]["details"] for each in outputs]
    spent = [each["fulfills"] for each in inputs]
    keys = keys_named(
        [each["owners_before"] for each in inputs],
        [each["public_keys"] or () for each in outputs],
        details,
    )
    amounts = [int(each["amount"]) for each in outputs]
    return Outline(
        transaction_id,
        document["asset"].get("id", transaction_id),
        document["operation"],
        list(zip(amounts, map(_uri, details))),
        [(each["transaction_id"], each["output_index"]) for each in spent if each],
        list(keys),
        document,
    )


def _uri(details: dict[str, Any]) -> str | None:
    if details["type"] != _ED25519:
        condition = condition_of_details(details)
        return None if condition is None else condition.uri
    key: str = details["public_key"]
    uri = kept_uris.get(key)
    if uri is None:
        condition = condition_of_details(details)
        assert condition is not None
        if len(kept_uris) >= KEPT:
            kept_uris.clear()
        uri = kept_uris[key] = condition.uri
    return uri
