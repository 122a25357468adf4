"""The addresses of servers, and what a client requests from them."""

from __future__ import annotations

import pytest

from trio_stream.client import open_stream
from trio_stream.client.request import Endpoint, Wanted, read_url, read_urls


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ([], "no URL"),
        ("http://a", "ws://HOST:PORT"),
        ("a:9985", "ws://HOST:PORT"),
        ("ws://", "ws://HOST:PORT"),
        ("ws://a:99999", "Port out of range"),
        ("ws://me:secret@a", "would not be sent"),
        ("ws://a/#b", "would not be sent"),
        ("ws://a/?after=5", "give after as an option"),
        ("ws://a/?x=é", "percent-encoded"),
        (["ws://a/s/valid_blocks", "ws://b"], "name the same stream"),
    ],
)
async def test_urls_that_cannot_be_meant(urls: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        async with open_stream(urls):
            raise AssertionError("must not begin")


@pytest.mark.parametrize(
    ("urls", "stream", "told"),
    [
        ("ws://a", "event", "unknown stream 'event'; there are valid_transactions, va"),
        ("ws://a/s/blocks", "events", "the URL names the stream blocks, not events"),
        (["ws://a", "ws://b/s/blocks"], "events", "same stream, not blocks and events"),
    ],
)
def test_streams_that_cannot_be_meant(urls: list[str], stream: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_urls(urls, stream)


@pytest.mark.parametrize("url", ["ws://a", "ws://a/", "ws://a/api/v1/streams/events/"])
def test_a_stream_is_named_by_the_url_or_for_it(url: str) -> None:
    assert read_urls(url, "events")[url].target == "/api/v1/streams/events"


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("ws://a", "a"),
        ("ws://a:443", "a:443"),
        ("wss://a:443", "a"),
        ("wss://a:80", "a:80"),
        ("ws://[::1]:9985", "[::1]:9985"),
    ],
)
def test_the_host_header_names_a_port_that_is_not_the_usual_one(
    url: str, authority: str
) -> None:
    assert read_url(url).authority == authority


def test_parameters_are_added_to_those_of_the_url() -> None:
    endpoint = Endpoint("a", 80, False, "/s")
    asking = endpoint.asking([("after", "1:2"), ("operation", "CREATE")])
    assert asking.target == "/s?after=1%3A2&operation=CREATE"
    assert asking.asking([("until", "3")]).target == f"{asking.target}&until=3"


@pytest.mark.parametrize(
    ("wanted", "parameters"),
    [
        (Wanted(), [("detail", "position")]),
        (
            Wanted(asset_id=("a", "b"), operation=("CREATE",), detail="full"),
            [
                ("detail", "full"),
                ("asset_id", "a"),
                ("asset_id", "b"),
                ("operation", "CREATE"),
                ("notices", "1"),
            ],
        ),
        (
            Wanted(query=("a = 1", "b = 2"), match="event"),
            [
                *[("detail", "position"), ("query", "a = 1"), ("query", "b = 2")],
                *[("match", "event"), ("notices", "1")],
            ],
        ),
        (Wanted(match="any"), [("detail", "position"), ("match", "any")]),
        (
            Wanted(public_key=("k",), notices=False),
            [("detail", "position"), ("public_key", "k")],
        ),
        (
            Wanted(empty_blocks=True, notices=True),
            [("detail", "position"), ("empty_blocks", "1"), ("notices", "1")],
        ),
    ],
)
def test_what_is_wanted_is_asked_for(
    wanted: Wanted, parameters: list[tuple[str, str]]
) -> None:
    assert wanted.parameters() == parameters


def test_servers_of_one_stream_are_taken_in_their_order() -> None:
    assert list(read_urls("ws://a")) == ["ws://a"]
    assert list(read_urls(["ws://b", "wss://a"])) == ["ws://b", "wss://a"]
