"""Which public keys a transaction names, and where: the basis of look-ups by key.

For BigchainDB's API an output belongs to a key if the key is somewhere in its condition's details
and in the `public_keys` of any output of the same transaction; validation never compares the two. A
subscriber may ask for a key wherever it is listed, so keys that are only in `public_keys` are named
too. Nobody asks for a key that is only in details.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

from trio_stream.transactions.model import Transaction

KEY_LIMIT: Final = 64
"""A base58 key has 43 or 44 characters. Nobody can ask for a longer one, and a peer may send
megabytes in place of a key, which an index would have to compare with."""

OWNER_BEFORE: Final = -1
"""In place of an output index if the key is an input's owner."""


class Stands(IntEnum):
    """Where in an output a key is."""

    LISTED = 0
    """Only in `public_keys`; also used for an input's owner."""
    LISTED_AND_LOCKING = 1
    LOCKING = 2
    """Only in the details, but in the `public_keys` of another output."""


# A member of an enumeration is looked up in a dictionary each time.
_LISTED, _BOTH = Stands.LISTED, Stands.LISTED_AND_LOCKING


class NamedKey(NamedTuple):
    """A public key and the place that names it."""

    public_key: str
    output_index: int
    stands: Stands = Stands.LISTED


def named_keys(
    transaction: Transaction, document: Mapping[str, Any]
) -> Iterator[NamedKey]:
    """Each key that the transaction's inputs and outputs name, once per place.

    `document` is its JSON object.
    """
    return keys_named(
        [each.owners_before for each in transaction.inputs],
        [each.public_keys for each in transaction.outputs],
        [each["condition"]["details"] for each in document["outputs"]],
    )


def keys_named(
    owners_before: Sequence[Sequence[str]],
    public_keys: Sequence[Sequence[str]],
    details: Sequence[object],
) -> Iterator[NamedKey]:
    """The same, given what inputs and outputs hold."""
    owners = {key for each in owners_before for key in each}
    for key in sorted(owners):
        if len(key) <= KEY_LIMIT:
            yield NamedKey(key, OWNER_BEFORE)
    everywhere = {key for each in public_keys for key in each}
    for index, keys in enumerate(public_keys):
        locking = _keys_in(details[index])
        listed = dict.fromkeys(keys)
        for key in listed:
            if len(key) <= KEY_LIMIT:
                yield NamedKey(key, index, _BOTH if key in locking else _LISTED)
        for key in sorted((locking & everywhere).difference(listed)):
            yield NamedKey(key, index, Stands.LOCKING)


def _keys_in(details: object) -> set[str]:
    """The keys in a condition's details, at any depth, as they are shown."""
    found = set()
    left = [details]
    while left:
        each = left.pop()
        assert isinstance(each, dict)
        if isinstance(parts := each.get("subconditions"), list):
            left.extend(parts)
        else:
            # White space after a key is accepted, and removed from the details that are shown.
            found.add(each["public_key"].rstrip())
    return found
