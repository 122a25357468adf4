"""What subscribers to a followed chain write, and what it means."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from trio_stream.cometbft.queries import And, Expression, OneEvent, Or
from trio_stream.cometbft.query_parser import MAX_LENGTH, parse
from trio_stream.cometbft.shorthands import shorthand
from trio_stream.feeds.request import FEED_READER, MOST_CONDITIONS
from trio_stream.feeds.selection import ALL_TRANSACTIONS, Feed, FeedSelection
from trio_stream.stream.position import END_OF_BLOCK, GivenPosition, Position
from trio_stream.stream.request import (
    BadRequest,
    FromHeight,
    NamedPlace,
    TransactionId,
)
from trio_stream.stream.selection import Form

A, B = parse("transfer.amount > 5"), parse("message.action = 'send'")
HASH = "0123456789abcdefABCDEF" + "0" * 42


def query_of(*parts: tuple[str, str]) -> Expression:
    return FEED_READER.subscription("events", urlencode(parts)).selection.query


@pytest.mark.parametrize("query", ["", "detail=plain_is_default"[:0], "unknown=1"])
def test_without_parameters_it_is_all_transactions(query: str) -> None:
    asked = FEED_READER.subscription("transactions", query)
    assert asked.selection is ALL_TRANSACTIONS
    assert asked.after is NamedPlace.NOW


def test_queries_and_short_names() -> None:
    one, two = "transfer.amount > 5", "message.action = 'send'"
    assert query_of(("query", one)) == A
    assert query_of(("query", one), ("query", two)) == Or((A, B))
    assert query_of(("match", "any"), ("query", one)) == A
    assert query_of(("match", "event"), ("query", one)) == OneEvent(A)
    assert query_of(("sender", "x")) == shorthand("sender", "x")
    assert query_of(("contract", "c")) == shorthand("contract", "c")
    assert query_of(("recipient", "x"), ("recipient", "y"), ("query", one)) == And(
        (A, Or((shorthand("recipient", "x"), shorthand("recipient", "y"))))
    )


def test_a_short_name_takes_any_text() -> None:
    assert query_of(("action", "/cosmos.bank's 1+1")) == shorthand(
        "action", "/cosmos.bank's 1+1"
    )


@pytest.mark.parametrize("feed", Feed)
def test_each_stream_has_forms(feed: Feed) -> None:
    for detail, form in (("position", Form.POSITION), ("full", Form.FULL)):
        asked = FEED_READER.subscription(feed.value, f"detail={detail}")
        assert asked.selection == FeedSelection(feed, form)


def test_a_pull_names_its_stream() -> None:
    assert FEED_READER.pull("").selection is ALL_TRANSACTIONS
    asked = FEED_READER.pull("stream=blocks&sender=x&limit=3&wait=2&after=earliest")
    assert asked.selection == FeedSelection(Feed.BLOCKS, query=shorthand("sender", "x"))
    assert (asked.limit, asked.wait, asked.after) == (3, 2, NamedPlace.EARLIEST)


@pytest.mark.parametrize(
    ("query", "after"),
    [
        (f"after={HASH}", TransactionId(HASH)),
        ("after=5:1:0123ABCD", GivenPosition(Position(5, 1), "0123abcd")),
        ("after=5", GivenPosition(Position(5, END_OF_BLOCK), None)),
        ("from_height=7", FromHeight(7)),
    ],
)
def test_where_to_begin(query: str, after: object) -> None:
    assert FEED_READER.subscription("blocks", query).after == after


def test_where_to_end_and_notices() -> None:
    asked = FEED_READER.subscription("blocks", "until=9&notices=1")
    assert (asked.until, asked.notices) == (9, True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "query=" + quote("transfer.amount >"),
            "^query 'transfer.amount >' cannot be read: at character 18: ",
        ),
        ("query=", "^query '' cannot be read: at character 1: "),
        ("query=a.b=1&query=((", r"^query '\(\(' cannot be read: at character 3: "),
        ("query=" + "a" * (MAX_LENGTH + 1), "….* longer than 4096 characters"),
        ("match=all", "^match must be any or event, not 'all'"),
        ("match=any&match=any", "^match may be given only once"),
        ("sender=x&sender=", "^sender must not be empty"),
        ("detail=short", "^detail must be position or full"),
        ("queries=x", "did you mean 'query'"),
        ("senders=x", "did you mean 'sender'"),
        ("sender=x&height=5", "did you mean 'from_height'"),
        ("after=xyz", "^after must be "),
        ("after=5&from_height=5", "not both"),
        ("limit=5", "belongs to /api/v1/events"),
        ("asset_id=x", "^'asset_id' is not a parameter here; .* a BigchainDB node"),
        ("empty_blocks=1", "'empty_blocks' belongs to a BigchainDB node"),
    ],
)
def test_mistakes_are_refused(query: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        FEED_READER.subscription("transactions", query)


def test_all_conditions_together_are_bounded() -> None:
    many = [("recipient", str(number)) for number in range(MOST_CONDITIONS)]
    query_of(*many)
    for one_more in ("recipient", "one more"), ("query", "a=1"):
        with pytest.raises(BadRequest, match="together may have 512 conditions"):
            query_of(*many, one_more)
