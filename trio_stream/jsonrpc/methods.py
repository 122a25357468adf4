"""What is answered here: `subscribe`, `unsubscribe` and `unsubscribe_all`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from trio_stream.cometbft.errors import QuerySyntaxError
from trio_stream.cometbft.queries import Expression, Generation
from trio_stream.cometbft.query_parser import MAX_LENGTH, parse
from trio_stream.jsonrpc.answers import TOO_LONG, Failure
from trio_stream.jsonrpc.calls import Call, check_no_params, read_subscribe
from trio_stream.jsonrpc.lines import Line
from trio_stream.jsonrpc.resuming import Places, Start, start_after
from trio_stream.jsonrpc.standings import MOST_CONDITIONS, MOST_QUERIES
from trio_stream.jsonrpc.subscription import Key, Subscription, key_of
from trio_stream.jsonrpc.subscriptions import Subscriptions

OWN = frozenset(["subscribe", "unsubscribe", "unsubscribe_all"])


async def new_subscription(
    call: Call,
    subscriptions: Subscriptions,
    *,
    line: Line,
    next_height: int,
    has_room_for: Callable[[Expression], bool],
    places: Places,
) -> None:
    """Add the subscription that a call asks for; raises Failure."""
    asked = read_subscribe(call, is_early=line.is_early)
    query = read_query(asked.query, line)
    key = key_of(asked.query, query, line)
    subscriptions.check_new(key)
    start = Start(next_height)
    if asked.after is not None:
        start = await start_after(asked.after, places)
    # No await from here on: others look for room too.
    if not has_room_for(query):
        raise Failure(
            f"there are {MOST_QUERIES} different queries already, or {MOST_CONDITIONS}"
            " conditions in them"
        )
    subscriptions.add(
        key,
        Subscription(
            call.id,
            asked.query,
            query,
            height=start.height,
            line=line,
            skipped=start.skipped,
            has_positions=asked.after is not None,
        ),
    )


def end_subscription(call: Call, subscriptions: Subscriptions, line: Line) -> None:
    """End the subscription that a call names; raises Failure."""
    asked = read_subscribe(call, is_early=line.is_early)
    subscriptions.remove(_keys_of(asked.query, line))


def end_all(call: Call, subscriptions: Subscriptions) -> None:
    """End all subscriptions; raises Failure."""
    check_no_params(call)
    subscriptions.clear()


def read_query(text: str, line: Line) -> Expression:
    """The query that a text is in that line; raises Failure."""
    if len(text) > MAX_LENGTH:
        raise Failure(TOO_LONG)
    try:
        return parse(text, line.generation)
    except QuerySyntaxError as error:
        raise Failure(
            f"failed to parse query: offset {error.offset}: {error.problem}"
        ) from None


def _keys_of(text: str, line: Line) -> Iterator[Key]:
    """The keys that a subscription to this text may have; raises Failure."""
    yield key_of(text, read_query(text, line), line)
    # The chain may have been upgraded since, or nobody knew then what it is.
    for other in (line._replace(generation=each) for each in Generation):
        with suppress(Failure):
            yield key_of(text, read_query(text, other), other)
