"""The values of a follower's settings, as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trio_stream.config.following_values import (
    EVERYTHING,
    MOST_NODES,
    Bounds,
    address_of,
    attributes,
    boolean,
    bounds,
    index_keys,
    node_urls,
    rate,
    start,
)
from trio_stream.config.values import Address, ConfigError


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (node_urls, "http://a:1", ("http://a:1",)),
        (node_urls, "http://a:1/, https://b/rpc/", ("http://a:1", "https://b/rpc")),
        (node_urls, ["tcp://a:1", "http://a:1"], ("http://a:1",)),
        (node_urls, ["http://[::1]:26657"], ("http://[::1]:26657",)),
        (start, "earliest", "earliest"),
        (start, "tip", "tip"),
        (start, 7, 7),
        (start, " 7 ", 7),
        (boolean, True, True),
        (boolean, "False", False),
        (boolean, "1", True),
        (index_keys, "none", "none"),
        (index_keys, "a.b, c.d", ("a.b", "c.d")),
        (index_keys, ["transfer.recipient"], ("transfer.recipient",)),
        (bounds, "everything", EVERYTHING),
        (bounds, "7d", Bounds(seconds=604_800, text="7d")),
        (bounds, "1.5 h", Bounds(seconds=5_400, text="1.5 h")),
        (bounds, "2w", Bounds(seconds=1_209_600, text="2w")),
        (bounds, "100000 blocks", Bounds(blocks=100_000, text="100000 blocks")),
        (bounds, "50GB", Bounds(bytes=50 * 10**9, text="50GB")),
        (
            bounds,
            "7d, 0.5 GiB, 1 block",
            Bounds(seconds=604_800, bytes=2**29, blocks=1, text="7d, 0.5 GiB, 1 block"),
        ),
        (rate, "auto", None),
        (rate, "2.5", 2.5),
        (rate, 20, 20.0),
        (attributes, "base64", "base64"),
    ],
)
def test_values(
    read: Callable[[object], object], value: object, expected: object
) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (node_urls, 5, "must be a list of addresses"),
        (node_urls, "a:26657", "must be http://HOST:PORT or https://"),
        (node_urls, "ws://a:26657", "must be http"),
        (node_urls, "http://", "must be http"),
        (node_urls, "http://a:0", "must be http"),
        (node_urls, "http://a:x", "is not a URL"),
        (node_urls, "http://a..b", "is not a URL"),
        (node_urls, f"http://{'a' * 64}.b", "is not a URL"),
        (node_urls, "http://me:secret@a", "without user"),
        (node_urls, "http://a/?key=1", "without user and query"),
        (node_urls, "http://ä", "must be http"),
        (node_urls, ["http://a b"], "must be http"),
        (node_urls, "http://a/websocket", "without /websocket"),
        (node_urls, [f"http://a:{n + 1}" for n in range(MOST_NODES + 1)], "at most 64"),
        (start, "now", "must be earliest, tip, or a height"),
        (start, 0, "must be earliest"),
        (start, True, "must be earliest"),
        (start, "1" * 17, "must be earliest"),
        (boolean, "maybe", "must be true or false"),
        (index_keys, "", "must be flagged, all, none, or a list"),
        (index_keys, "recipient", "must be flagged"),
        (index_keys, 5, "must be flagged"),
        (bounds, "", "must be a non-empty string"),
        (bounds, "7", "must be everything, or an age"),
        (bounds, "7 parsecs", "must be everything"),
        (bounds, "1.5 blocks", "must be everything"),
        (bounds, "7d, 8h", "must bound the seconds only once"),
        (bounds, "0 blocks", "must not keep nothing"),
        (bounds, "0.0001MB, 0d", "must not keep nothing"),
        (rate, "fast", "must be auto, or requests per second"),
        (rate, 10**400, "must be auto"),
        (rate, True, "must be auto"),
        (rate, None, "must be auto"),
        (attributes, "hex", "must be auto, plain or base64"),
    ],
)
def test_what_cannot_be_used(
    read: Callable[[object], object], value: object, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read(value)


def test_bounds_are_shown_as_they_were_written() -> None:
    assert str(bounds("7d, 50GB")) == "7d, 50GB"
    assert str(EVERYTHING) == "everything"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://a", Address("a", 80)),
        ("https://a/rpc", Address("a", 443)),
        ("http://[::1]:5", Address("::1", 5)),
    ],
)
def test_where_a_node_is(url: str, address: Address) -> None:
    assert address_of(url) == address
