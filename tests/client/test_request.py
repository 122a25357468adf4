"""The addresses of servers, and what a client requests from them."""

from __future__ import annotations

import pytest

from trio_stream.client import open_stream


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
