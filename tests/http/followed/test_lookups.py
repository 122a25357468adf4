"""A block by its height, a transaction by its hash."""

from __future__ import annotations

import json

import pytest

from tests.http.followed.rooms import DIGEST, EMPTY, Log
from trio_stream.http.answers import NOT_FOUND
from trio_stream.http.followed.lookups import FollowedLookups

LOOKUPS = FollowedLookups(Log())


async def test_what_is_there_is_answered() -> None:
    answer = await LOOKUPS.block("006")
    assert (answer.status, answer.body) == (200, b'{"height": 6}\n')
    for tx_hash in (DIGEST.hex(), DIGEST.hex().upper()):
        answer = await LOOKUPS.transaction(tx_hash)
        assert (answer.status, answer.body) == (200, b'{"index": 0}\n')


async def test_a_block_that_is_missing_says_why() -> None:
    answer = await LOOKUPS.block("8")
    said = json.loads(answer.body)
    assert answer.status == 404
    assert said["message"] == "Block 8 is missing: no node had it (pruned)."
    assert said["gap"] == {
        "first": 7,
        "last": 8,
        "reason": "pruned",
        "detail": "n: it is gone",
    }


async def test_a_block_that_is_not_here_says_which_are() -> None:
    said = json.loads((await LOOKUPS.block("4")).body)
    assert said["message"] == "Block 4 is not here: the log has blocks 5 to 9."
    said = json.loads((await FollowedLookups(Log(EMPTY)).block("4")).body)
    assert said["message"] == "Block 4 is not here: the log has none yet."


@pytest.mark.parametrize("digits", [str(2**63), "9" * 5000])
async def test_a_height_that_no_block_can_have_is_not_looked_up(digits: str) -> None:
    assert await LOOKUPS.block(digits) is NOT_FOUND


@pytest.mark.parametrize("tx_hash", ["", "ab", "g" * 64, "٧" * 64, "a" * 65])
async def test_what_is_no_hash_is_refused(tx_hash: str) -> None:
    assert (await LOOKUPS.transaction(tx_hash)).status == 400


async def test_a_transaction_that_is_not_here() -> None:
    assert await LOOKUPS.transaction("0" * 64) is NOT_FOUND
