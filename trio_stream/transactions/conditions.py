"""Crypto-conditions: what must be presented to spend an output.

A condition is the fingerprint of a lock, with its type and its cost; two locks are
the same if the uris of their conditions are. A condition of a compound type also
names the types below it. For an output it is computed from `details`, bottom up, each
part once: the reference computes the parts of parts repeatedly, in time that doubles
with every level, but with the same result.

A threshold that asks for more parts than it has, has no computable cost: its
condition is None, and the output can be created but never spent.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from trio_stream.transactions import base58, der
from trio_stream.transactions.errors import InvalidPublicKey, ThresholdTooDeep

PREIMAGE, PREFIX, THRESHOLD, RSA, ED25519 = range(5)
"""The type ids, which are also the numbers of the tags."""

NAMES = (
    "preimage-sha-256",
    "prefix-sha-256",
    "threshold-sha-256",
    "rsa-sha-256",
    "ed25519-sha-256",
)
COMPOUND = frozenset({PREFIX, THRESHOLD})

MAX_THRESHOLD_DEPTH = 99
"""Thresholds around a key: with one more, the reference says ThresholdTooDeep."""

MAX_COST = 4_294_967_295
"""The greatest cost that the bytes of a condition can state."""

KEY_DIGITS = 44
"""Characters of a key without white space, at most."""

_ED25519_COST = 131_072
_PART_COST = 1_024
_MAX_THRESHOLD = 65_535
_CONTEXT_CONSTRUCTED = 0xA0
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Condition(NamedTuple):
    """A lock as others see it; bit i of `types` is set if type i occurs below it."""

    type_id: int
    fingerprint: bytes
    cost: int
    types: int = 0

    @property
    def uri(self) -> str:
        """The text by which conditions are compared."""
        digest = base64url(self.fingerprint)
        uri = f"ni:///sha-256;{digest}?fpt={NAMES[self.type_id]}&cost={self.cost}"
        if self.type_id in COMPOUND:
            names = (name for i, name in enumerate(NAMES) if self.types >> i & 1)
            uri += f"&subtypes={','.join(sorted(names))}"
        return uri

    @property
    def is_encodable(self) -> bool:
        """Whether it can be part of another condition."""
        return self.cost <= MAX_COST

    def encode(self) -> bytes:
        """Its bytes, as part of another condition."""
        members = [
            der.write(0x80, self.fingerprint),
            der.write_integer(0x81, self.cost),
        ]
        if self.type_id in COMPOUND:
            members.append(der.write_type_bits(0x82, self.types))
        return der.write(_CONTEXT_CONSTRUCTED | self.type_id, *members)

    @property
    def types_for_parent(self) -> int:
        """The types that a compound condition around it names because of it."""
        return self.types | 1 << self.type_id


def read_condition(data: bytes, element: der.Element) -> Condition:
    """The condition in an element; raises Unreadable."""
    type_id = element.number
    if element.tag_class != der.CONTEXT or type_id >= len(NAMES):
        raise der.Unreadable("a condition was due")
    is_compound = type_id in COMPOUND
    members = der.read_members(data, element, 3 if is_compound else 2)
    fingerprint = der.read_octets(data, members[0], 0)
    cost = der.read_integer(data, members[1], 1)
    if len(fingerprint) != 32 or not 0 <= cost <= MAX_COST:
        raise der.Unreadable("a condition out of bounds")
    types = der.read_type_bits(data, members[2], 2) if is_compound else 0
    return Condition(type_id, fingerprint, cost, types)


def ed25519_condition(public_key: bytes) -> Condition:
    """The condition that a signature by this key fulfills."""
    # SEQUENCE { [0] public key }, whose lengths never change.
    contents = b"\x30\x22\x80\x20" + public_key
    return Condition(ED25519, hashlib.sha256(contents).digest(), _ED25519_COST)


def threshold_cost(threshold: int, parts: Sequence[Condition]) -> int | None:
    """The greatest cost of fulfilling `threshold` of the parts; None if there are fewer."""
    if len(parts) < threshold:
        return None
    # [-0:] is the whole list: for a threshold of zero the reference adds up all.
    dearest = sorted(part.cost for part in parts)[-threshold:]
    return sum(dearest) + _PART_COST * len(parts)


def threshold_condition(threshold: int, parts: Sequence[Condition]) -> Condition | None:
    """The condition that `threshold` of the parts fulfill; None if it is not computable."""
    cost = threshold_cost(threshold, parts)
    if cost is None or not 1 <= threshold <= _MAX_THRESHOLD:
        return None
    if not all(part.is_encodable for part in parts):
        return None
    contents = der.write(
        0x30,
        der.write_integer(0x80, threshold),
        der.write_set(0xA1, (part.encode() for part in parts)),
    )
    types = 0
    for part in parts:
        types |= part.types_for_parent
    types &= ~(1 << THRESHOLD)
    return Condition(THRESHOLD, hashlib.sha256(contents).digest(), cost, types)


def condition_of_details(details: dict[str, Any], depth: int = 0) -> Condition | None:
    """The condition that an output's `details` describe; their structure is checked.

    Raises ThresholdTooDeep and InvalidPublicKey, whichever comes first in the text.
    """
    if depth > MAX_THRESHOLD_DEPTH:
        raise ThresholdTooDeep
    if details["type"] == NAMES[ED25519]:
        return _condition_of_key(details["public_key"])
    parts = [condition_of_details(part, depth + 1) for part in details["subconditions"]]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return threshold_condition(details["threshold"], known)


def uri_of_details(details: dict[str, Any]) -> str | None:
    """The uri of the condition that `details` describe; raises as `condition_of_details`."""
    if details["type"] == NAMES[ED25519]:
        key: str = details["public_key"]
        # Longer texts may be keys too, but their memory has no limit.
        if len(key) <= KEY_DIGITS:
            return _uri_of_key(key)
    condition = condition_of_details(details)
    return None if condition is None else condition.uri


def _condition_of_key(text: str) -> Condition:
    public_key = base58.decode_key(text)
    if public_key is None:
        raise InvalidPublicKey("Public key should be of size 32 bytes")
    return ed25519_condition(public_key)


# The same owners come again and again, and nearly every output has one.
@lru_cache(maxsize=1_000)
def _uri_of_key(text: str) -> str:
    return _condition_of_key(text).uri


def base64url(data: bytes) -> str:
    """Base64 for uris, without padding."""
    text = b2a_base64(data, newline=False).translate(_URL_SAFE, b"=")
    return text.decode("ascii")
