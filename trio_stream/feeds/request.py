"""What a followed chain's subscribers may ask for beside what all may (`stream.query_string`).

    query=                                 CometBFT's language and more; of several, one has to hold
    match=any|event                        whether all of a query has to hold in one event
    sender= recipient= contract= action=   short for queries of the Cosmos SDK's usual keys

Each may be there several times, which means *or*; different ones mean *and*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from trio_stream.cometbft.errors import QuerySyntaxError
from trio_stream.cometbft.queries import EVERYTHING, Expression, conditions
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.shorthands import SHORTHANDS, asked_for
from trio_stream.feeds.selection import ALL_TRANSACTIONS, Feed, FeedSelection
from trio_stream.stream.filters import FILTERS
from trio_stream.stream.names import quoted
from trio_stream.stream.query_string import QUOTED, QueryReader, Values
from trio_stream.stream.request import BadRequest

MOST_CONDITIONS: Final = 512
"""Of one subscriber, over all its queries: to read them, and to begin or end asking for them, takes
some milliseconds each. A request has no room for more than some 300 addresses."""

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")


def _selection(name: str, values: Values) -> FeedSelection:
    selection = FeedSelection(Feed(name), values.form(), _query(values))
    # Each client keeps its selection, and many ask for this one.
    return ALL_TRANSACTIONS if selection == ALL_TRANSACTIONS else selection


def _query(values: Values) -> Expression:
    one_event = bool(values.choice("match", any=False, event=True))
    short = {name: found for name in SHORTHANDS if (found := values.every(name))}
    for name, found in short.items():
        if "" in found:
            raise BadRequest(f"{name} must not be empty")
    count = sum(len(SHORTHANDS[name]) * len(found) for name, found in short.items())
    queries = list(_queries(values, count))
    if not queries and not short:
        return EVERYTHING
    return asked_for(queries, short, one_event=one_event)


def _queries(values: Values, count: int) -> Iterator[Expression]:
    """The queries, as long as they and `count` have not too many conditions together."""
    _check(count)
    for text in values.every("query"):
        try:
            query = parse(text)
        except QuerySyntaxError as error:
            raise BadRequest(
                f"query {quoted(text, QUOTED)} cannot be read: {error}"
            ) from None
        count += sum(1 for _ in conditions(query))
        _check(count)
        yield query


def _check(count: int) -> None:
    if count > MOST_CONDITIONS:
        raise BadRequest(
            f"all queries together may have {MOST_CONDITIONS} conditions, and have more"
        )


FEED_READER: Final = QueryReader(
    [feed.value for feed in Feed],
    ("query", "match", *SHORTHANDS),
    _selection,
    id_pattern=_HASH,
    elsewhere=dict.fromkeys(("empty_blocks", *FILTERS), "a BigchainDB node"),
)
