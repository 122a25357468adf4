"""Positions order as the log does, and are read as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.stream.position import (
    END_OF_BLOCK,
    Position,
    parse_position,
    position_text,
)

START = Position.end_of(0)

heights = st.integers(min_value=1, max_value=2**36)
indexes = st.integers(min_value=0, max_value=END_OF_BLOCK - 1)


@given(heights, indexes)
def test_the_end_of_a_block_is_after_each_of_its_transactions(height, index):
    assert Position(height, index) < Position.end_of(height) < Position(height + 1, 0)


@given(heights, indexes)
def test_everything_comes_after_the_start(height, index):
    assert START < Position(height, index)


@given(heights, indexes, heights, indexes)
def test_a_key_orders_as_its_position(height, index, other_height, other_index):
    one, other = Position(height, index), Position(other_height, other_index)

    assert Position.of_key(one.key) == one
    assert (one.key < other.key) == (one < other)


def test_a_block_end_says_so():
    assert Position.end_of(7).is_end_of_block
    assert not Position(7, 0).is_end_of_block


fingerprints = st.text("0123456789abcdef", min_size=8, max_size=64)


@given(heights, indexes, fingerprints)
def test_what_is_written_is_read_again(height, index, fingerprint):
    text = position_text(height, index, fingerprint)

    given_ = parse_position(text)

    assert given_ == (Position(height, index), fingerprint[:8])


@given(heights, st.one_of(st.just(""), fingerprints))
def test_a_whole_block_is_read_again(height, app_hash):
    text = position_text(height, None, app_hash)

    assert text == position_text(height, END_OF_BLOCK, app_hash)
    assert parse_position(text) == (Position.end_of(height), app_hash[:8])


@pytest.mark.parametrize(
    ("text", "position", "fingerprint"),
    [
        ("7:3:0123abcd", Position(7, 3), "0123abcd"),
        ("7:3:0123ABCD", Position(7, 3), "0123abcd"),
        ("7:3", Position(7, 3), None),
        ("7", Position.end_of(7), None),
        ("7::0123abcd", Position.end_of(7), "0123abcd"),
        ("7::", Position.end_of(7), ""),
        ("0::", START, ""),
        ("0", START, None),
        ("007", Position.end_of(7), None),
        ("9" * 18, Position.end_of(10**18 - 1), None),
        ("1:67108862", Position(1, END_OF_BLOCK - 1), None),
    ],
)
def test_the_forms_of_a_position(text, position, fingerprint):
    assert parse_position(text) == (position, fingerprint)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "::", "x", "-1", "+1", " 1", "1 ", "1\n", "1.0", "٣", "0x1"),
        *("1:", "1:2:", "1:-2", "1:2:0123abc", "1:2:0123abcde", "1:2:0123abcg"),
        *("1::0", "1::0123abcde", "1:::", "1:67108863", "1:999999999", "9" * 19),
    ],
)
def test_everything_else_is_not_a_position(text):
    with pytest.raises(ValueError, match=r"."):
        parse_position(text)


@given(st.text())
def test_any_text_is_a_position_or_an_error(text):
    try:
        parse_position(text)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("height", "index", "text"), [(7, 3, "7:3"), (7, None, "7"), (7, END_OF_BLOCK, "7")]
)
def test_without_a_fingerprint_the_short_form_is_written(height, index, text):
    assert position_text(height, index, None) == text
