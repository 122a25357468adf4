from __future__ import annotations

import json

import pytest

from trio_stream.jsonrpc.answers import SERVER_ERROR, Failure
from trio_stream.jsonrpc.resuming import Start, start_after
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks

HASH = "ab" * 32


class Places:
    """A log from block 5, which may have been cut, to block 9."""

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        found = None
        if place == HASH:
            found = Found(Position(6, 2), HASH)
        elif isinstance(place, Position):
            found = Found(place, "12345678")
        return Landmarks(chain="c", oldest=5, tip=9, found=found, is_cut=True)


async def test_where_a_subscription_begins() -> None:
    for text, start in {
        "earliest": Start(5),
        "7": Start(8),
        "7:3": Start(7, 3),
        "7:3:12345678": Start(7, 3),
        "9::12345678": Start(10),
        HASH.upper(): Start(6, 2),
    }.items():
        assert await start_after(text, Places()) == start


async def test_what_is_refused() -> None:
    for text, error in {
        "3": "pruned",
        "10": "ahead",
        "7::87654321": "other_history",
        "cd" * 32: "unknown_transaction",
        "now?": "bad_request",
    }.items():
        with pytest.raises(Failure) as caught:
            await start_after(text, Places())
        assert caught.value.code == SERVER_ERROR
        data = json.loads(caught.value.data or "")
        assert (data["error"], data["oldest"], data["tip"]) == (error, 5, 9)
