"""A validator's private key, in the file that its engine keeps it in.

Tendermint up to 0.22 wrote `priv_validator.json`; every later engine writes
`priv_validator_key.json`. Both have the key as `priv_key.value`, in base64: a seed of 32 bytes, and
the public key that follows from it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Final

from trio_stream.transactions.making import Signer

_LONGEST: Final = 64 * 1024
"""Bytes of a file; a key's has some hundred."""
_SEED_BYTES: Final = 32


def read_signer(file: Path) -> Signer:
    """The key pair in this file. Raises `ValueError`, which names the file."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_LONGEST)
    except OSError as error:
        raise ValueError(f"private key {file}: {error.strerror}") from None
    try:
        return _signer(data)
    except ValueError as error:
        raise ValueError(f"private key {file}: {error}") from None


def _signer(data: bytes) -> Signer:
    try:
        kept = json.loads(data)["priv_key"]
        kind, text = kept.get("type"), kept["value"]
        secret = base64.b64decode(text, validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(
            "it is not a validator's key file (priv_validator_key.json)"
        ) from None
    if len(secret) != 2 * _SEED_BYTES:
        what = kind if isinstance(kind, str) and kind.isprintable() else "the key"
        raise ValueError(f"elections need a key of Ed25519, and {what:.100} is not one")
    signer = Signer(secret[:_SEED_BYTES])
    if signer.key != secret[_SEED_BYTES:]:
        raise ValueError("its two halves do not belong together: it is damaged")
    return signer


def read_public_key(text: str) -> bytes:
    """The 32 bytes of a public key in base64, as key and genesis files have it.

    Raises `ValueError`.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError(
            "must be 32 bytes in base64, like pub_key.value in priv_validator_key.json"
        )
    return key
