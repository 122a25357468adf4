"""Signatures are judged as PyNaCl's own function judges them."""

from __future__ import annotations

from itertools import product

import pytest
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from tests.ledger.chains import ALICE, BOB
from trio_stream.transactions.ed25519 import is_signed

GOOD = bytes(ALICE.secret.verify_key)
MESSAGES = [b"", b"m", b"m" * 200_000]
# Points of small order, one that is written in two ways, and what is no point.
KEYS = [
    GOOD,
    bytes(BOB.secret.verify_key),
    bytes(32),
    b"\x01" + bytes(31),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
    b"\xff" * 32,
]
ORDER = (2**252 + 27742317777372353535851937790883648493).to_bytes(32, "little")


def signatures(message: bytes) -> list[bytes]:
    good = ALICE.sign(message)
    added = int.from_bytes(good[32:], "little") + int.from_bytes(ORDER, "little")
    return [
        good,
        good[:63] + bytes([good[63] ^ 1]),
        b"\x01" + bytes(63),
        bytes(64),
        good[:32] + added.to_bytes(32, "little"),
        b"\xff" * 64,
    ]


def is_good(message: bytes, signature: bytes, key: bytes) -> bool:
    try:
        return crypto_sign_open(signature + message, key) == message
    except BadSignatureError:
        return False


@pytest.mark.parametrize("message", MESSAGES, ids=len)
def test_pynacl_says_the_same(message: bytes) -> None:
    for signature, key in product(signatures(message), KEYS):
        expected = is_good(message, signature, key)
        assert is_signed(message, signature, key) is expected
    assert is_signed(message, signatures(message)[0], GOOD)
