"""Which public keys a transaction names, and where: what look-ups by key are made from.

An output belongs to a key, for BigchainDB's API, when the key stands somewhere in its condition's
details and in the `public_keys` of any output of the same transaction; validation compares neither
with the other. A subscriber may ask for a key wherever it is listed, so those that stand in
`public_keys` alone are named too. What stands in details alone nobody asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from trio_stream.transactions.model import Transaction

KEY_LIMIT: Final = 64
"""A base58 key has 43 or 44 characters. Nobody can ask for a longer one, and a peer may send
megabytes where a key should be, which an index would have to compare with."""

OWNER_BEFORE: Final = -1
"""Stands for an output index where the key is an input's owner."""


class Stands(IntEnum):
    """Where an output has a key."""

    LISTED = 0
    """In `public_keys` alone; also said of an input's owner."""
    LISTED_AND_LOCKING = 1
    LOCKING = 2
    """In the details alone, and in the `public_keys` of another output."""


class NamedKey(NamedTuple):
    """A public key and the place that names it."""

    public_key: str
    output_index: int
    stands: Stands = Stands.LISTED


def named_keys(
    transaction: Transaction, document: Mapping[str, Any]
) -> Iterator[NamedKey]:
    """Each key that the transaction's inputs and outputs name, once a place.

    `document` is its JSON object.
    """
    owners = {key for each in transaction.inputs for key in each.owners_before}
    for key in sorted(owners):
        if len(key) <= KEY_LIMIT:
            yield NamedKey(key, OWNER_BEFORE)
    details = [each["condition"]["details"] for each in document["outputs"]]
    everywhere = {key for output in transaction.outputs for key in output.public_keys}
    for index, output in enumerate(transaction.outputs):
        locking = _keys_in(details[index])
        listed = dict.fromkeys(output.public_keys)
        for key in listed:
            if len(key) <= KEY_LIMIT:
                both = key in locking
                yield NamedKey(
                    key, index, Stands.LISTED_AND_LOCKING if both else Stands.LISTED
                )
        for key in sorted((locking & everywhere).difference(listed)):
            yield NamedKey(key, index, Stands.LOCKING)


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
