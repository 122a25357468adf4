from __future__ import annotations

import pytest

from tests.transactions.documents import ALICE, BOB
from trio_stream.transactions.base58 import decode_key
from trio_stream.transactions.conditions import MAX_COST, ed25519_condition
from trio_stream.transactions.fulfillments import (
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
