"""Fulfillments: what is presented to meet a condition.

However leniently the text was read (`fulfillment_text`), the value counts: conditions
and `encode` are canonical. A fulfillment of a compound type computes the conditions of
its parts when it is created, and its own from those, so that each is computed once.

Some values have no condition, cost or encoding in the reference, because a step
raises there; those are None here, and nothing that needs them can be valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from trio_stream.transactions import der, rsa_pss
from trio_stream.transactions.conditions import (
    PREFIX,
    PREIMAGE,
    RSA,
    Condition,
    ed25519_condition,
    threshold_condition,
    threshold_cost,
)
from trio_stream.transactions.ed25519 import is_signed

_PREFIX_COST = 1_024

ED25519_HEAD = b"\xa4\x64\x80\x20"
"""The bytes before the key in the canonical form of a signature by one key."""
ED25519_MIDDLE = b"\x81\x40"
"""The bytes between the key and the signature."""


PAUSE: Final[ContextVar[Callable[[], None] | None]] = ContextVar("pause", default=None)
"""Called between signatures, again and again, so that a thread can pause."""


class Known(dict["Fulfillment | bytes", "Known | None"]):
    """Fulfillments known to be valid for a message, so that none is verified twice.

    Under a prefix it has those for the message with that prefix.
    """


class Fulfillment(Protocol):
    """One of the types below."""

    def condition(self) -> Condition | None:
        """The condition that it meets, if that can be computed."""

    def cost(self) -> int | None:
        """The cost of that condition, which may be known without the condition."""

    def encode(self) -> bytes | None:
        """Its bytes in canonical form, if it has one."""

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        """Whether it is valid for this message; `known` has what has been verified."""


class Ed25519(NamedTuple):
    """A signature by one key; a tuple for speed, because most fulfillments are one."""

    public_key: bytes
    signature: bytes

    def condition(self) -> Condition:
        return ed25519_condition(self.public_key)

    def cost(self) -> int:
        return self.condition().cost

    def encode(self) -> bytes:
        return ED25519_HEAD + self.public_key + ED25519_MIDDLE + self.signature

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        if known is not None and self in known:
            return True
        if not is_signed(message, self.signature, self.public_key):
            return False
        if known is not None:
            known[self] = None
        return True


@dataclass(frozen=True, slots=True)
class Preimage:
    """A secret that is secret no longer: valid for any message."""

    preimage: bytes

    def condition(self) -> Condition:
        fingerprint = hashlib.sha256(self.preimage).digest()
        return Condition(PREIMAGE, fingerprint, self.cost())

    def cost(self) -> int:
        return len(self.preimage)

    def encode(self) -> bytes:
        return der.write(0xA0, der.write(0x80, self.preimage))

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Rsa:
    """A signature by an RSA key."""

    modulus: bytes
    signature: bytes

    def condition(self) -> Condition | None:
        cost = self.cost()
        if cost is None:
            return None
        contents = der.write(0x30, der.write(0x80, self.modulus))
        return Condition(RSA, hashlib.sha256(contents).digest(), cost)

    def cost(self) -> int | None:
        modulus = int.from_bytes(self.modulus, "big")
        if modulus <= rsa_pss.EXPONENT:
            return None
        return modulus.bit_length() ** 2 >> 6

    def encode(self) -> bytes:
        members = der.write(0x80, self.modulus), der.write(0x81, self.signature)
        return der.write(0xA3, *members)

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        if known is not None and self in known:
            return True
        is_valid = rsa_pss.verify(self.modulus, self.signature, message)
        if is_valid and known is not None:
            known[self] = None
        return is_valid


@dataclass(frozen=True, slots=True)
class Prefix:
    """A fulfillment for the message with a prefix before it."""

    prefix: bytes
    max_message_length: int
    part: Fulfillment
    part_condition: Condition | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "part_condition", self.part.condition())

    def condition(self) -> Condition | None:
        cost = self.cost()
        part = self.part_condition
        if cost is None or part is None or not part.is_encodable:
            return None
        contents = der.write(
            0x30,
            der.write(0x80, self.prefix),
            der.write_integer(0x81, self.max_message_length),
            der.write(0xA2, part.encode()),
        )
        types = part.types_for_parent & ~(1 << PREFIX)
        return Condition(PREFIX, hashlib.sha256(contents).digest(), cost, types)

    def cost(self) -> int | None:
        if self.part_condition is None:
            return None
        length = len(self.prefix) + self.max_message_length
        return length + self.part_condition.cost + _PREFIX_COST

    def encode(self) -> bytes | None:
        # The reference cannot write an RSA signature inside of a prefix.
        part = None if isinstance(self.part, Rsa) else self.part.encode()
        if part is None:
            return None
        return der.write(
            0xA1,
            der.write(0x80, self.prefix),
            der.write_integer(0x81, self.max_message_length),
            der.write(0xA2, part),
        )

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        inner = None
        if known is not None:
            inner = known[self.prefix] = known.get(self.prefix) or Known()
        # The limit of the length is part of the condition, but the reference ignores it.
        return self.part.validate(self.prefix + message, inner)


@dataclass(frozen=True, slots=True)
class Threshold:
    """As many fulfillments as the threshold asks for, and the conditions of the others."""

    parts: tuple[Fulfillment, ...]
    others: tuple[Condition, ...]
    conditions: tuple[Condition, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        found = [part.condition() for part in self.parts]
        known = [each for each in found if each is not None]
        known.extend(self.others)
        complete = len(known) == len(found) + len(self.others)
        object.__setattr__(self, "conditions", tuple(known) if complete else None)

    def condition(self) -> Condition | None:
        if self.conditions is None:
            return None
        return threshold_condition(len(self.parts), self.conditions)

    def cost(self) -> int | None:
        if self.conditions is None:
            return None
        return threshold_cost(len(self.parts), self.conditions)

    def encode(self) -> bytes | None:
        # The reference first sorts the parts by cost, which does not change the result
        # but needs every cost.
        if any(part.cost() is None for part in self.parts):
            return None
        encoded = [part.encode() for part in self.parts]
        known = [each for each in encoded if each is not None]
        if len(known) < len(encoded):
            return None
        others = der.write_set(0xA1, (other.encode() for other in self.others))
        return der.write(0xA2, der.write_set(0xA0, known), others)

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        known = Known() if known is None else known
        pause = PAUSE.get()
        for part in self.parts:
            if not part.validate(message, known):
                return False
            if pause is not None:
                pause()
        return True


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Details where a fulfillment belongs: not a proof of anything."""

    def condition(self) -> None:
        return None

    def cost(self) -> None:
        return None

    def encode(self) -> None:
        return None

    def validate(self, message: bytes, known: Known | None = None) -> bool:
        return False
