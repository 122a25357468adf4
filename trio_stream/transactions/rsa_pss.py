"""RSA-PSS with SHA-256, a salt of 32 bytes and the exponent 65537: verification.

Written out, although libraries have it: the key sizes that they accept change with
their releases, and two nodes that differ in that would diverge for ever. The rules
here are those of OpenSSL 1.1.1, which the reference was used with: any odd modulus up
to 16,384 bits, and a signature not longer than the modulus and smaller than it. Only
public values are handled, so timing reveals nothing.
"""

from __future__ import annotations

import hashlib

EXPONENT = 65_537
"""The public exponent of every key; a modulus must be greater."""

_HASH_LENGTH = 32
_SALT_LENGTH = 32
_MAX_MODULUS_BITS = 16_384
_TRAILER = 0xBC


def verify(modulus: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature of `message` was made with the key of this modulus."""
    n = int.from_bytes(modulus, "big")
    bits = n.bit_length()
    length = (bits + 7) // 8
    if not n % 2 or n <= EXPONENT or bits > _MAX_MODULUS_BITS:
        return False
    number = int.from_bytes(signature, "big")
    if len(signature) > length or number >= n:
        return False
    encoded = pow(number, EXPONENT, n)
    # The encoding has one bit fewer than the modulus, so that it is smaller.
    if encoded.bit_length() > bits - 1:
        return False
    return _is_encoding(encoded.to_bytes((bits + 6) // 8, "big"), bits - 1, message)


def _is_encoding(encoded: bytes, bits: int, message: bytes) -> bool:
    masked_length = len(encoded) - _HASH_LENGTH - 1
    zeros = masked_length - _SALT_LENGTH - 1
    if zeros < 0 or encoded[-1] != _TRAILER:
        return False
    digest = encoded[masked_length:-1]
    masked = int.from_bytes(encoded[:masked_length], "big")
    mask = int.from_bytes(_mask(digest, masked_length), "big")
    # Bits that the modulus leaves free in the first octet do not count.
    free = 8 * len(encoded) - bits
    block = (masked ^ mask) & ((1 << (8 * masked_length - free)) - 1)
    padded = block.to_bytes(masked_length, "big")
    if padded[:zeros] != bytes(zeros) or padded[zeros] != 1:
        return False
    salt = padded[zeros + 1 :]
    hashed = hashlib.sha256(message).digest()
    return hashlib.sha256(bytes(8) + hashed + salt).digest() == digest


def _mask(seed: bytes, length: int) -> bytes:
    blocks = (length + _HASH_LENGTH - 1) // _HASH_LENGTH
    return b"".join(
        hashlib.sha256(seed + counter.to_bytes(4, "big")).digest()
        for counter in range(blocks)
    )[:length]
