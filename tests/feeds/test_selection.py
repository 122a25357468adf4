"""Selections are values."""

from __future__ import annotations

import pytest

from trio_stream.cometbft.query_parser import parse
from trio_stream.feeds.selection import ALL_TRANSACTIONS, Feed, FeedSelection
from trio_stream.stream.selection import Form


def test_equal_ones_are_one() -> None:
    first = FeedSelection(query=parse("a.b = 'c'"))
    second = FeedSelection(query=parse("a.b  =  'c'"))
    assert first == second
    assert hash(first) == hash(second)
    assert FeedSelection() == ALL_TRANSACTIONS


@pytest.mark.parametrize(
    "other",
    [
        FeedSelection(Feed.EVENTS),
        FeedSelection(form=Form.FULL),
        FeedSelection(query=parse("a.b EXISTS")),
    ],
)
def test_each_part_makes_a_difference(other: FeedSelection) -> None:
    assert other != ALL_TRANSACTIONS
