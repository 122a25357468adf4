from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from trio_stream.transactions.rsa_pss import verify

# Sizes around multiples of eight: the encoding has one bit less than the modulus.
SIZES = [1024, 1025, 1026, 1031]
MESSAGE = b"message"


def _sign(key: rsa.RSAPrivateKey, message: bytes) -> tuple[bytes, bytes]:
    modulus = key.public_key().public_numbers().n
    signature = key.sign(message, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    return modulus.to_bytes((modulus.bit_length() + 7) // 8, "big"), signature


@pytest.fixture(scope="module", params=SIZES)
def key(request: pytest.FixtureRequest) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, request.param)


def test_signatures_of_an_independent_signer_are_valid(key: rsa.RSAPrivateKey) -> None:
    modulus, signature = _sign(key, MESSAGE)
    assert verify(modulus, signature, MESSAGE)
    assert verify(b"\0" + modulus, signature, MESSAGE)
    assert not verify(modulus, signature, MESSAGE + b"!")


def test_changed_signatures_are_bad(key: rsa.RSAPrivateKey) -> None:
    modulus, signature = _sign(key, MESSAGE)
    for index in range(0, len(signature), 7):
        changed = bytearray(signature)
        changed[index] ^= 1
        assert not verify(modulus, bytes(changed), MESSAGE)
    assert not verify(modulus, b"\0" + signature, MESSAGE)
    assert not verify(modulus, signature[:-1], MESSAGE)
    assert not verify(modulus, b"", MESSAGE)


def test_other_salt_lengths_are_bad(key: rsa.RSAPrivateKey) -> None:
    modulus, _ = _sign(key, MESSAGE)
    for length in 0, 31, 33:
        scheme = padding.PSS(padding.MGF1(SHA256()), length)
        assert not verify(modulus, key.sign(MESSAGE, scheme, SHA256()), MESSAGE)


def test_a_signature_plus_the_modulus_is_bad(key: rsa.RSAPrivateKey) -> None:
    modulus, signature = _sign(key, MESSAGE)
    number = int.from_bytes(signature, "big") + int.from_bytes(modulus, "big")
    assert not verify(modulus, number.to_bytes(len(modulus) + 1, "big"), MESSAGE)


@pytest.mark.parametrize(
    "modulus",
    [
        b"",
        b"\0",
        b"\x03",
        b"\x01\x00\x01",
        b"\x01\x00\x03",
        b"\xfe" * 128,
        b"\xff" * 64,
    ],
)
def test_impossible_moduli_are_bad(modulus: bytes) -> None:
    for signature in b"", b"\1", b"\x01\x00\x02", modulus:
        assert not verify(modulus, signature, MESSAGE)


def test_a_modulus_above_the_limit_costs_nothing() -> None:
    assert not verify(b"\xff" * 1_000_000, b"\x7f" * 1_000_000, MESSAGE)
