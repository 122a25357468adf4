"""Members of an answer, each in the one type that the rest reads.

Go writes 64-bit integers as texts and smaller ones as numbers, hashes in hexadecimal and other
bytes in base64, and leaves out or nulls what is empty, differently in each release. All of these
read the same here; anything else raises Malformed.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from trio_stream.cometbft.errors import Malformed

Members = Mapping[str, Any]

MAX_DIGITS = 20
"""Of any 64-bit integer, with its sign."""

LOWEST = -(2**63)
HIGHEST = 2**64 - 1

HIGHEST_BLOCK = 10**11
"""At a thousand blocks a second a chain gets there after three years; positions have room for it,
and for no more than 37 bits."""


def members(value: object, what: str) -> Members:
    """An object."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is no object")
    return value


def elements(value: object, what: str) -> Sequence[Any]:
    """An array; an absent one is empty."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Malformed(f"{what} is no array")
    return value


def integer(value: object, what: str) -> int:
    """A number, also one written as text; an absent one is 0."""
    if value is None:
        return 0
    if type(value) is str and len(value) <= MAX_DIGITS and value.isascii():
        try:
            value = int(value)
        except ValueError:
            raise Malformed(f"{what} is no number") from None
    if type(value) is not int or not LOWEST <= value <= HIGHEST:
        raise Malformed(f"{what} is no number")
    return value


def code(value: object, what: str) -> int:
    """A code of an application: a number without a sign, of 32 bits; an absent one is 0."""
    found = integer(value, what)
    if not 0 <= found < 2**32:
        raise Malformed(f"{what} is no code")
    return found


def height(value: object, what: str) -> int:
    """The height of a block."""
    return store_height(value, what, least=1)


def store_height(value: object, what: str, *, least: int = 0) -> int:
    """The height of the first or last block of a store, which may have none."""
    found = integer(value, what)
    if not least <= found <= HIGHEST_BLOCK:
        raise Malformed(f"{what} is {found}")
    return found


def text(value: object, what: str) -> str:
    """A text; an absent one is empty."""
    if value is None:
        return ""
    if type(value) is not str:
        raise Malformed(f"{what} is no text")
    return value


def octets(value: object, what: str) -> bytes:
    """Bytes in base64; absent ones are empty."""
    try:
        return binascii.a2b_base64(text(value, what), strict_mode=True)
    except ValueError:
        raise Malformed(f"{what} is not base64") from None


def digest(value: object, what: str) -> bytes:
    """Bytes in hexadecimal; absent ones are empty."""
    try:
        return binascii.a2b_hex(text(value, what))
    except ValueError:
        raise Malformed(f"{what} is not hexadecimal") from None
