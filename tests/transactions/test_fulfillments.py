"""Fulfillments: what each is valid for, its condition, its cost and its bytes."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.transactions.documents import ALICE, BOB, element
from trio_stream.transactions import rsa_pss
from trio_stream.transactions.base58 import decode_key
from trio_stream.transactions.conditions import (
    MAX_COST,
    PREFIX,
    PREIMAGE,
    RSA,
    Condition,
    ed25519_condition,
)
from trio_stream.transactions.fulfillments import (
    PAUSE,
    Ed25519,
    Fulfillment,
    Prefix,
    Preimage,
    Rsa,
    Threshold,
    Unsigned,
)

MESSAGE = b"m" * 32
TINY_MODULUS = b"\x01\x00\x01"


def _public(text: str) -> bytes:
    key = decode_key(text)
    assert key is not None
    return key


def _signed(message: bytes = MESSAGE) -> Ed25519:
    return Ed25519(_public(ALICE.public), ALICE.sign(message))


def test_a_signature_is_valid_for_its_message_and_key() -> None:
    assert _signed().validate(MESSAGE)
    assert not _signed().validate(MESSAGE + b"!")
    assert not Ed25519(_public(BOB.public), ALICE.sign(MESSAGE)).validate(MESSAGE)


@pytest.mark.parametrize(
    "key",
    [
        b"\x01" + bytes(31),  # the identity: of order one
        b"\xec" + b"\xff" * 30 + b"\x7f",  # of order two
        bytes(32),  # of order four
        b"\xee" + b"\xff" * 30 + b"\x7f",  # the identity, not in canonical form
    ],
)
def test_keys_of_small_order_sign_nothing(key: bytes) -> None:
    # With such a key S = 0 and R = -k·A would do; here R is the identity as well.
    assert not Ed25519(key, b"\x01" + bytes(63)).validate(MESSAGE)


def test_a_signature_is_not_malleable() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = ALICE.sign(MESSAGE)
    scalar = int.from_bytes(signature[32:], "little") + order
    other = signature[:32] + scalar.to_bytes(32, "little")
    assert not Ed25519(_public(ALICE.public), other).validate(MESSAGE)


def test_a_prefix_stands_before_the_message() -> None:
    fulfillment = Prefix(b"before ", 0, _signed(b"before " + MESSAGE))
    assert fulfillment.validate(MESSAGE)
    assert not Prefix(b"before ", 0, _signed()).validate(MESSAGE)


def test_a_threshold_needs_all_of_its_parts() -> None:
    other = ed25519_condition(_public(BOB.public))
    assert Threshold((_signed(), Preimage(b"")), (other,)).validate(MESSAGE)
    assert not Threshold((_signed(), _signed(b"x")), (other,)).validate(MESSAGE)
    assert Threshold((), (other,)).validate(MESSAGE)


def test_details_in_place_of_a_fulfillment_prove_nothing() -> None:
    unsigned: Fulfillment = Unsigned()
    assert [unsigned.condition(), unsigned.cost(), unsigned.encode()] == [None] * 3
    assert not unsigned.validate(MESSAGE)


@pytest.mark.parametrize(
    "part",
    [
        Rsa(TINY_MODULUS, b"\1"),
        Prefix(b"", 0, Rsa(TINY_MODULUS, b"\1")),
        Threshold((Rsa(TINY_MODULUS, b"\1"),), ()),
        Threshold((), ()),
        Prefix(b"", 0, Prefix(b"", MAX_COST, Preimage(b""))),
    ],
)
def test_what_has_no_condition_has_none_below_others(part: Fulfillment) -> None:
    assert part.condition() is None
    assert Threshold((_signed(), part), ()).condition() is None
    assert Threshold((_signed(), part), ()).cost() is None
    assert Prefix(b"", 0, part).condition() is None
    assert Prefix(b"", 0, part).cost() is None


def test_what_cannot_be_written_cannot_be_written_below_others() -> None:
    unwritable = Prefix(b"", 0, Rsa(b"\xff" * 128, b"\1"))
    assert unwritable.encode() is None
    assert Prefix(b"", 0, unwritable).encode() is None
    assert Threshold((unwritable,), ()).encode() is None


def test_a_threshold_is_written_only_with_the_cost_of_every_part() -> None:
    of_none_two_below = Threshold((Threshold((Threshold((), ()),), ()),), ())
    assert of_none_two_below.encode() is None
    assert Threshold((Threshold((), ()),), ()).encode() is not None


def _nested(*parts: Any) -> Threshold:
    return Threshold(tuple(parts), ())


def test_the_same_signature_over_the_same_message_is_verified_once(
    verified: list[bytes],
) -> None:
    one, other = _signed(), Ed25519(bytes(BOB.secret.verify_key), BOB.sign(MESSAGE))
    assert _nested(one, _nested(one, other), _nested(_nested(one), other)).validate(
        MESSAGE
    )
    assert len(verified) == 2

    verified.clear()
    inside = _signed(b"pp" + MESSAGE)
    twice = Prefix(b"pp", 1, inside), Prefix(b"pp", 2, _nested(inside))
    assert _nested(*twice, _signed()).validate(MESSAGE)
    assert len(verified) == 2


def test_the_same_signature_over_another_message_is_another(
    verified: list[bytes],
) -> None:
    one = _signed()
    assert not _nested(one, Prefix(b"p", 0, one)).validate(MESSAGE)
    assert not _nested(Prefix(b"", 0, one), Prefix(b"p", 0, one)).validate(MESSAGE)
    assert not _nested(Prefix(b"p", 0, one), one).validate(MESSAGE)
    assert len(verified) == 5


def test_an_rsa_signature_counts_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def verify(modulus: bytes, signature: bytes, message: bytes) -> bool:
        asked.append(message)
        return signature == b"good"

    monkeypatch.setattr(rsa_pss, "verify", verify)
    good, bad = Rsa(b"\xff" * 64, b"good"), Rsa(b"\xff" * 64, b"bad")
    assert _nested(good, good, _nested(good)).validate(MESSAGE)
    assert asked == [MESSAGE]
    assert not _nested(good, bad).validate(MESSAGE)
    assert not _nested(bad, bad).validate(MESSAGE)
    assert good.validate(MESSAGE)


SECRET = element(0xA0, element(0x80, b"secret"))
MODULUS = b"\xff" * 128


def test_a_signature_by_one_key_has_its_condition_cost_and_bytes() -> None:
    signed = _signed()
    key = _public(ALICE.public)
    assert signed.condition() == ed25519_condition(key)
    assert signed.cost() == ed25519_condition(key).cost
    assert signed.encode() == element(
        0xA4, element(0x80, key), element(0x81, signed.signature)
    )


def test_a_secret_costs_its_length_and_is_hashed_as_it_is() -> None:
    secret = Preimage(b"secret")
    fingerprint = hashlib.sha256(b"secret").digest()
    assert secret.condition() == Condition(PREIMAGE, fingerprint, 6)
    assert secret.encode() == SECRET


def test_an_rsa_signature_costs_the_square_of_its_bits() -> None:
    signed = Rsa(MODULUS, b"signature")
    fingerprint = hashlib.sha256(element(0x30, element(0x80, MODULUS))).digest()
    assert signed.condition() == Condition(RSA, fingerprint, 1024**2 // 64)
    assert signed.encode() == element(
        0xA3, element(0x80, MODULUS), element(0x81, b"signature")
    )
    assert not signed.validate(MESSAGE)


def test_a_prefix_costs_its_length_and_that_of_the_message() -> None:
    prefixed = Prefix(b"before", 20, Preimage(b"secret"))
    part = Preimage(b"secret").condition().encode()
    limit = element(0x81, b"\x14")
    contents = element(0x80, b"before"), limit, element(0xA2, part)
    fingerprint = hashlib.sha256(element(0x30, *contents)).digest()
    assert prefixed.condition() == Condition(
        PREFIX, fingerprint, 6 + 20 + 6 + 1024, 1 << PREIMAGE
    )
    assert prefixed.encode() == element(
        0xA1, element(0x80, b"before"), limit, element(0xA2, SECRET)
    )


def test_a_threshold_costs_its_dearest_parts_and_1024_for_each() -> None:
    other = ed25519_condition(_public(BOB.public))
    threshold = Threshold((Preimage(b"secret"),), (other,))
    assert threshold.cost() == other.cost + 2 * 1024
    assert threshold.encode() == element(
        0xA2, element(0xA0, SECRET), element(0xA1, other.encode())
    )


def test_a_thread_may_pause_after_each_part_of_a_threshold() -> None:
    pauses: list[int] = []
    token = PAUSE.set(lambda: pauses.append(len(pauses)))
    try:
        parts = (_signed(), Preimage(b""), _signed(b"x"), _signed())
        assert not Threshold(parts, ()).validate(MESSAGE)
    finally:
        PAUSE.reset(token)
    assert pauses == [0, 1]
