"""What a selection wants of a transaction and of a block."""

from __future__ import annotations

import json

import pytest

from tests.feeds.test_messages import BLOCK, EVENTS, HEAD, RESULT
from trio_stream.cometbft.events import Event
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.results import Phase
from trio_stream.feeds.chooser import Chooser
from trio_stream.feeds.messages import block_text, transaction_text
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.stream.selection import Form

PHASED: list[tuple[Phase, Event]] = [("begin", EVENTS[0]), ("end", EVENTS[1])]


def chooser(feed: Feed, query: str) -> Chooser:
    return Chooser(FeedSelection(feed, Form.FULL, parse(query)))


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("transfer.to = 'you'", True),
        ("transfer.to = 'them'", False),
        (f"tx.hash = '{'CD' * 32}' AND tx.height = 7", True),
        ("tm.event = 'Tx'", True),
    ],
)
def test_transactions(query: str, holds: bool) -> None:
    found = chooser(Feed.TRANSACTIONS, query).transaction(HEAD, "dHg=", RESULT)
    text = transaction_text(HEAD, "dHg=", RESULT, Form.FULL)
    assert found == ([text] if holds else [])


@pytest.mark.parametrize(
    ("query", "holds"), [("transfer.to = 'you'", True), ("tm.event = 'Tx'", False)]
)
def test_blocks(query: str, holds: bool) -> None:
    found = chooser(Feed.BLOCKS, query).block(BLOCK, PHASED)
    assert found == ([block_text(BLOCK, PHASED, Form.FULL)] if holds else [])


def test_a_feed_has_one_kind() -> None:
    assert chooser(Feed.TRANSACTIONS, "tm.event EXISTS").block(BLOCK, PHASED) == []
    found = chooser(Feed.BLOCKS, "tm.event EXISTS").transaction(HEAD, "", RESULT)
    assert found == []


def test_events_one_by_one() -> None:
    asked = chooser(Feed.EVENTS, "NOT transfer EXISTS AND tm.event EXISTS")
    texts = asked.transaction(HEAD, "", RESULT) + asked.block(BLOCK, PHASED)
    numbers = [json.loads(text)["event_index"] for text in texts]
    assert numbers == [1, 2, 1]
    asked = chooser(Feed.EVENTS, "transfer.to = 'you'")
    texts = asked.transaction(HEAD, "", RESULT) + asked.block(BLOCK, PHASED)
    assert [json.loads(text)["phase"] for text in texts] == ["tx", "begin"]
