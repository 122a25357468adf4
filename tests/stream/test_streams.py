"""Where streams are."""

from __future__ import annotations

import pytest

from trio_stream.feeds.streams import FEEDS
from trio_stream.stream.node_streams import NODE_STREAMS
from trio_stream.stream.request import BadRequest


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/streams/valid_transactions", "valid_transactions"),
        ("/api/v1/streams/valid_blocks", "valid_blocks"),
        ("/api/v1/streams/refused_transactions", "refused_transactions"),
        ("/api/v1/streams/valid_blocks/", None),
        ("/api/v1/streams/", None),
        ("/api/v1/streams/transactions", None),
        ("valid_blocks", None),
        ("", None),
    ],
)
def test_a_stream_is_found_by_its_path(path: str, name: str | None) -> None:
    assert NODE_STREAMS.at(path) == name


def test_streams_of_a_followed_chain_are_elsewhere() -> None:
    assert NODE_STREAMS.elsewhere == FEEDS.reader.names
    assert FEEDS.elsewhere == NODE_STREAMS.reader.names


@pytest.mark.parametrize(("query", "notices"), [("notices=1", True), ("a=1", False)])
def test_who_subscribes_to_those_learns_what_there_is(
    query: str, notices: bool
) -> None:
    with pytest.raises(
        BadRequest, match="has no stream 'events'; it has val"
    ) as caught:
        NODE_STREAMS.subscription("events", query)
    error = caught.value
    assert (error.status, error.error) == (404, "unknown_stream")
    assert error.notices is notices


def test_others_are_read_as_they_are() -> None:
    asked = NODE_STREAMS.subscription("valid_blocks", "after=earliest")
    assert asked == NODE_STREAMS.reader.subscription("valid_blocks", "after=earliest")
