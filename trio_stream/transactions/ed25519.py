"""Whether a signature is valid, by the one implementation that decides it in consensus.

PyNaCl's own function copies each message three times while it holds the interpreter lock; if
hundreds of signatures cover hundreds of kilobytes each, all other threads wait for that again and
again. libsodium copies nothing unless it is asked to.
"""

from __future__ import annotations

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the 64 bytes are a signature of the message by the key of 32 bytes."""
    signed = signature + message
    found: int = lib.crypto_sign_open(
        ffi.NULL, ffi.NULL, signed, len(signed), public_key
    )
    return found == 0
