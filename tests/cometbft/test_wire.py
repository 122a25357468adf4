from __future__ import annotations

import pytest

from trio_stream.cometbft import wire


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (-1, "ff" * 9 + "01")],
)
def test_numbers_in_groups_of_seven_bits(value: int, encoded: str) -> None:
    assert wire.varint(value).hex() == encoded


def test_zeros_are_left_out_and_embedded_messages_are_not() -> None:
    assert wire.number(1, 0) == wire.octets(2, b"") == b""
    assert wire.message(2, b"").hex() == "1200"


def test_fields() -> None:
    assert wire.number(1, 150).hex() == "089601"
    assert wire.octets(2, b"testing").hex() == "120774657374696e67"
    assert wire.number(16, 1).hex() == "800101"
