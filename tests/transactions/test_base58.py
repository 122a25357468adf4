from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import signing
from trio_stream.transactions.base58 import decode_key, encode


@given(st.binary(min_size=32, max_size=32))
def test_a_key_reads_back(key: bytes) -> None:
    assert decode_key(encode(key)) == key


@given(st.binary(max_size=40))
def test_text_is_that_of_an_independent_writer(data: bytes) -> None:
    assert encode(data) == signing.base58_encode(data)


@given(st.binary(max_size=40).filter(lambda data: len(data) != 32))
def test_text_of_other_lengths_is_not_a_key(data: bytes) -> None:
    assert decode_key(encode(data)) is None


@pytest.mark.parametrize("key", [bytes(32), b"\0" * 31 + b"\1", b"\xff" * 32])
@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u2003\u00a0"])
def test_white_space_at_the_end_does_not_count(key: bytes, blank: str) -> None:
    assert decode_key(encode(key) + blank) == key


@pytest.mark.parametrize("text", ["", "0", "O", "I", "l", "é", "\ud800", "^"])
def test_other_characters_are_not_digits(text: str) -> None:
    key = encode(b"\x07" * 32)
    assert decode_key(text + key[1:]) is None
    assert decode_key(f"{key[:9]}{text}{key[10:]}") is None
    assert decode_key(f" {key}") is None


def test_long_texts_are_refused_without_reading_them() -> None:
    assert decode_key("z" * 10_000_000) is None
