"""The answers to checks, and what is remembered of them."""

from __future__ import annotations

import pytest

from scripts.bench.dear_transactions import dear_create
from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, MemoryStore
from tests.transactions.states import State
from tests.voting import SET, election
from trio_stream.abci.messages import CheckTx, Flush
from trio_stream.ledger.checks import VALID, Checks, refusal
from trio_stream.ledger.recent_checks import Check, RefusedCheck
from trio_stream.transactions.candidate import REFUSED_SHARE, CandidateCache

CACHE_BYTES = 1 << 20


@pytest.fixture
def cache() -> CandidateCache:
    return CandidateCache(CACHE_BYTES)


@pytest.fixture
def checks(cache: CandidateCache) -> Checks:
    return Checks(MemoryStore(), cache)


def test_a_check_is_remembered_with_the_height_it_was_made_at(checks: Checks) -> None:
    good = create(ALICE)
    assert checks.check(encode(good), 7) == VALID
    assert checks.recent.newest(good["id"]) == Check(7, None, True)


def test_a_refusal_is_remembered_with_its_reason(checks: Checks) -> None:
    unknown = create(BOB)
    moved = transfer(unknown, BOB)
    found = checks.check(encode(moved), 7)
    reason = f"input `{unknown['id']}` doesn't exist"
    assert (found.code, found.log) == (1, f"InputDoesNotExist: {reason}")
    refused = RefusedCheck("InputDoesNotExist", reason)
    assert checks.recent.newest(moved["id"]) == Check(7, refused, True)


def test_what_is_too_expensive_is_refused(checks: Checks) -> None:
    dear = dear_create(ALICE, signatures=500, prefix_bytes=200_000, real=False)
    assert checks.check(dear, 0).log.startswith("TooCostly: ")


def test_an_election_that_would_end_the_chain_is_refused(
    cache: CandidateCache,
) -> None:
    checks = Checks(State(SET), cache)
    assert checks.check(encode(election(power=5)), 0) == VALID
    refused = checks.check(encode(election(power=0)), 0)
    assert refused.log.startswith("FatalElection: a validator that is not in the set")


def test_quick_is_a_small_transaction_that_was_looked_at(checks: Checks) -> None:
    small, other, large = [
        encode(create(ALICE, data={"text": "x" * length})) for length in (1, 2, 3000)
    ]

    def are_quick(*txs: bytes) -> bool:
        return checks.are_quick([*map(CheckTx, txs), Flush()])

    assert not are_quick(small)
    for tx in (small, large):
        checks.check(tx, 0)
    assert are_quick(small, small)
    assert not are_quick(small, other)
    assert not are_quick(large)


def test_refused_checks_leave_most_of_the_cache_to_others(
    checks: Checks, cache: CandidateCache
) -> None:
    good = encode(create(ALICE))
    assert checks.check(good, 0) == VALID
    size = cache.size
    for n in range(40):
        unknown = transfer(create(BOB), BOB, metadata={"n": n, "text": "x" * 10_000})
        assert checks.check(encode(unknown), 0).code == 1
    assert cache.has(good)
    assert size < cache.size <= size + CACHE_BYTES // REFUSED_SHARE


def test_a_refusal_has_a_bounded_log() -> None:
    assert refusal("DoubleSpend", "x" * 5_000).log == f"DoubleSpend: {'x' * 287}"
