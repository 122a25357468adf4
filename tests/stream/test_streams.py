"""Where streams are."""

from __future__ import annotations

import pytest

from trio_stream.feeds.streams import FEEDS
from trio_stream.stream.node_streams import NODE_STREAMS


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
