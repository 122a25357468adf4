"""Whether a signature is good, by the one implementation that decides it in consensus.

PyNaCl's own function copies each message three times while it keeps the interpreter to itself;
where hundreds of signatures cover hundreds of kilobytes each, all other threads wait for that
again and again. libsodium copies nothing if it is not asked to.
"""

from __future__ import annotations

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the 64 bytes are the signature by the key, of 32 bytes, of this message."""
    signed = signature + message
    found: int = lib.crypto_sign_open(
        ffi.NULL, ffi.NULL, signed, len(signed), public_key
    )
    return found == 0
