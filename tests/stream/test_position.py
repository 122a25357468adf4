"""Positions order as the log does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trio_stream.stream.position import END_OF_BLOCK, START, Position

heights = st.integers(min_value=1, max_value=2**36)
indexes = st.integers(min_value=0, max_value=END_OF_BLOCK - 1)


@given(heights, indexes)
def test_the_end_of_a_block_is_after_each_of_its_transactions(height, index):
    assert Position(height, index) < Position.end_of(height) < Position(height + 1, 0)


@given(heights, indexes)
def test_everything_comes_after_the_start(height, index):
    assert START < Position(height, index)


def test_a_block_end_says_so():
    assert Position.end_of(7).is_end_of_block
    assert not Position(7, 0).is_end_of_block
