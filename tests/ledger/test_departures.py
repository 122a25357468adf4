"""The warnings when the chain and this log diverge."""

from __future__ import annotations

import pytest

from tests.ledger.chains import TIME
from trio_stream.ledger.block import Block, RefusedTransaction
from trio_stream.ledger.departures import (
    WHAT_TO_DO,
    departure,
    other_chain,
    other_hash,
    other_height,
)


def block_with(*errors: str) -> Block:
    refused = [
        RefusedTransaction(index, bytes(32), None, error, "")
        for index, error in enumerate(errors)
    ]
    return Block(5, TIME, "ab" * 32, [], refused)


def test_the_same_hash_is_not_a_departure() -> None:
    assert other_hash(5, b"ab", "ab", is_first=False) is None
    assert other_hash(1, b"", "", is_first=True) is None


@pytest.mark.parametrize(
    ("theirs", "ours", "is_first", "named"),
    [
        (
            b"cd",
            "ab",
            False,
            "follows app hash cd, but here it is ab: a block before it",
        ),
        (b"", "ab", False, "follows app hash empty, but here it is ab"),
        (b"cd", "", True, "here it is empty: the genesis file's start_hash"),
        (b"\xff" * 100, "ab", False, "follows app hash " + r"\xff" * 80 + ", but"),
    ],
)
def test_another_hash_is_named_with_its_cause(
    theirs: bytes, ours: str, is_first: bool, named: str
) -> None:
    said = other_hash(5, theirs, ours, is_first=is_first)
    assert said is not None
    assert said.startswith("block 5 follows app hash ")
    assert named in said and said.endswith(WHAT_TO_DO)


def test_a_change_of_the_log_is_looked_for_before_anything_is_done() -> None:
    said = other_hash(5, b"cd", "ab", is_first=False)
    assert said is not None and "run trio-stream check" in said


@pytest.mark.parametrize(
    ("height", "due", "cure"),
    [
        (1, 8, "trio-stream rollback --to-height 0, which keeps a copy"),
        (5, 8, "trio-stream rollback --to-height 4, which keeps a copy"),
        (9, 8, "trio-stream restore with a backup that has them"),
    ],
)
def test_another_height_is_named_with_its_cure(
    height: int, due: int, cure: str
) -> None:
    said = other_height(height, due)
    assert said.startswith(f"block {height}, but the next one here is {due}: ")
    assert cure in said and said.endswith(WHAT_TO_DO)


def test_another_chain_is_named_with_its_cure() -> None:
    said = other_chain("InitChain for", "a" * 200, "b")
    assert said.startswith(f"InitChain for chain '{'a' * 79}, but this data directory")
    assert "belongs to chain 'b': start the engine with its own --home" in said
    assert said.endswith(WHAT_TO_DO)


def test_refusals_as_the_reference_makes_them_are_nothing_to_report() -> None:
    assert departure(block_with()) is None
    assert departure(block_with("DoubleSpend", "TooCostly")) is None


def test_refusals_that_the_reference_would_not_make_are_named_once() -> None:
    said = departure(block_with("SubnormalDouble", "DoubleSpend", "NestingTooDeep"))
    assert said is not None
    assert said.startswith("block 5 has transactions that are refused here")
    assert "(NestingTooDeep, SubnormalDouble)" in said
