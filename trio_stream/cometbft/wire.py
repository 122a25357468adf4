"""The protocol buffers encoding, as far as hashes are made of it.

Amino, which releases before 0.34 used, encodes the same few messages to the same bytes, but for a
leading byte or a missing field, which the callers know. Zero values are left out by both.
"""

from __future__ import annotations


def varint(value: int) -> bytes:
    """`value` in groups of seven bits; a negative one as two's complement in 64 bits."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """An integer field; nothing if it is zero."""
    return varint(field << 3) + varint(value) if value else b""


def octets(field: int, value: bytes) -> bytes:
    """A bytes or string field; nothing if it is empty."""
    return message(field, value) if value else b""


def message(field: int, value: bytes) -> bytes:
    """A field of an embedded message, which is there even if it is empty."""
    return varint(field << 3 | 2) + varint(len(value)) + value
