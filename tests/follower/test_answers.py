from __future__ import annotations

import json

import pytest

from tests.follower.chain import MadeChain
from tests.follower.fake_node import refused
from trio_stream.cometbft.errors import (
    BlockNotThere,
    HeightInFuture,
    Malformed,
    NotJson,
    Refusal,
    ResultsNotThere,
)
from trio_stream.follower.answers import (
    Bodies,
    NotBatch,
    Pair,
    call_of,
    is_health,
    read_pairs,
)

CHAIN = MadeChain(5)
BLOCK = {"result": CHAIN.blocks[5]}
RESULTS = {"result": CHAIN.results[5]}
FUTURE = refused(
    "height 5 must be less than or equal to the current blockchain height 4"
)
EXECUTED = refused("could not find results for height #5")
NULL = {"result": {"block_id": {"hash": ""}, "block": None}}


def read(results: object, block: object, batch: bool) -> Pair:
    bodies = Bodies(5, None, _text(results, 1), _text(block, 2))
    if batch:
        both = b"[" + bodies.results + b"," + bodies.block + b"]"
        bodies = Bodies(5, both, b"", b"")
    (pair,) = read_pairs(bodies, limit=10**6, last=None, forced=None)
    return pair


def _text(answer: object, number: int) -> bytes:
    assert isinstance(answer, dict)
    return json.dumps({"id": number, **answer}).encode()


@pytest.mark.parametrize("batch", [True, False])
def test_both_answers_or_the_refusal_that_says_more(batch: bool) -> None:
    followed = read(RESULTS, BLOCK, batch).followed()
    assert (followed.raw_block, followed.raw_results) == (
        CHAIN.blocks[5],
        CHAIN.results[5],
    )
    for results, block, error in (
        (EXECUTED, BLOCK, ResultsNotThere),
        (RESULTS, NULL, BlockNotThere),
        (FUTURE, NULL, HeightInFuture),
        (EXECUTED, FUTURE, HeightInFuture),
        (EXECUTED, NULL, BlockNotThere),
    ):
        with pytest.raises(error):
            read(results, block, batch).followed()


def test_one_answer_to_a_batch() -> None:
    for body, error in (
        (RESULTS, NotBatch),
        (refused("no batches"), Refusal),
        ({}, Malformed),
    ):
        bodies = Bodies(5, json.dumps(body).encode(), b"", b"")
        with pytest.raises(error):
            read_pairs(bodies, limit=10**6, last=None, forced=None)


def test_the_size_is_that_of_all_bytes() -> None:
    assert Bodies(5, b"123", b"", b"").size == Bodies(5, None, b"1", b"23").size == 3


def test_calls_and_what_answers_health() -> None:
    said = json.loads(call_of(2, "block", height="7"))
    assert said == {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "block",
        "params": {"height": "7"},
    }
    assert is_health(b'{"id":0,"result":{}}')
    assert not is_health(b'{"id":1,"result":{}}')
    assert not is_health(b"[]")
    for nonsense in (b"hello", b"\xff", b"[" * 4096, b"9" * 4096 + b"]"):
        with pytest.raises(NotJson):
            is_health(nonsense)
