"""Transactions that are cheap to send and dear to judge."""

from __future__ import annotations

from typing import Any

from scripts.signing import Key, base58_decode, create, encode, message, seal
from trio_stream.transactions.fulfillment_text import write_fulfillment
from trio_stream.transactions.fulfillments import (
    Ed25519,
    Fulfillment,
    Prefix,
    Rsa,
    Threshold,
)


def dear_create(
    key: Key, *, signatures: int, prefix_bytes: int, real: bool = True, nonce: str = ""
) -> bytes:
    """A CREATE with so many signatures, each of which covers a prefix of so many bytes.

    To make them takes as long as to judge them; those that are not `real` are not good.
    """
    document = create(key, metadata={"nonce": nonce})
    prefix = b"p" * prefix_bytes
    parts: list[Fulfillment] = []
    for n in range(signatures):
        # A prefix of its own, or all would be one signature over one message.
        own = b"%d." % n
        text = own + prefix + message(document, 0)
        signature = key.sign(text) if real else bytes(64)
        parts.append(Prefix(own, 0, Ed25519(base58_decode(key.public), signature)))
    return _with(document, Prefix(prefix, 0, Threshold(tuple(parts), ())))


def dear_rsa(key: Key, *, keys: int, bits: int) -> bytes:
    """A CREATE with so many RSA signatures, of which none is good."""
    parts: list[Fulfillment] = []
    for n in range(keys):
        modulus = (1 << bits) - 2 * n - 1
        parts.append(Rsa(modulus.to_bytes(bits // 8, "big"), b"\1" * (bits // 8)))
    return _with(create(key), Threshold(tuple(parts), ()))


def _with(document: dict[str, Any], fulfillment: Fulfillment) -> bytes:
    document["inputs"][0]["fulfillment"] = write_fulfillment(fulfillment)
    return encode(seal(document))
