"""Which public keys a transaction names, and where: what look-ups by key are made from.

An output belongs to a key, for BigchainDB's API, when the key stands in its `public_keys` and also
somewhere in its condition's details; validation compares neither with the other. A subscriber may
ask for a key wherever it stands, so those that stand in one place only are listed too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from trio_stream.transactions.model import Transaction

KEY_LIMIT: Final = 64
"""A base58 key has 43 or 44 characters. Nobody can ask for a longer one, and a peer may send
megabytes where a key should be, which an index would have to compare with."""

OWNER_BEFORE: Final = -1
"""Stands for an output index where the key is an input's owner."""


class NamedKey(NamedTuple):
    """A public key and the place that names it."""

    public_key: str
    output_index: int
    in_details: bool


def named_keys(
    transaction: Transaction, document: Mapping[str, Any]
) -> Iterator[NamedKey]:
    """Each key that the transaction's inputs and outputs name, once a place.

    `document` is its JSON object.
    """
    owners = {key for each in transaction.inputs for key in each.owners_before}
    for key in sorted(owners):
        if len(key) <= KEY_LIMIT:
            yield NamedKey(key, OWNER_BEFORE, False)
    details = [each["condition"]["details"] for each in document["outputs"]]
    for index, output in enumerate(transaction.outputs):
        spenders = _keys_in(details[index])
        for key in dict.fromkeys(output.public_keys):
            if len(key) <= KEY_LIMIT:
                yield NamedKey(key, index, key in spenders)


def _keys_in(details: object) -> set[str]:
    """The keys of a condition's details, at any depth, as they are shown."""
    found = set()
    left = [details]
    while left:
        match left.pop():
            case {"subconditions": list(parts)}:
                left.extend(parts)
            case leaf:
                assert isinstance(leaf, dict)
                # White space behind a key is accepted, and gone from the details that are shown.
                found.add(leaf["public_key"].rstrip())
    return found
