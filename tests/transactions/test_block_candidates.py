"""The candidates of a block: order, pieces, what is kept, and what threads are given."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from scripts.bench.dear_transactions import dear_create
from scripts.signing import create, encode
from tests.transactions.documents import ALICE, sealed
from trio_stream.transactions import block_candidates
from trio_stream.transactions.block_candidates import PIECE, BlockCandidates
from trio_stream.transactions.candidate import Candidate, CandidateCache, InParallel

LARGE = 1 << 30
T = TypeVar("T")


def _raws(count: int) -> list[bytes]:
    return [encode(create(ALICE, metadata={"n": n})) for n in range(count)]


def _cache(in_parallel: InParallel = map) -> CandidateCache:
    return CandidateCache(LARGE, in_parallel=in_parallel)


def _all(candidates: BlockCandidates, raws: Sequence[bytes]) -> list[Candidate]:
    return [each for piece in candidates.pieces(raws) for each in piece]


class _Recorded:
    """Like `map`; keeps what it was given."""

    def __init__(self) -> None:
        self.shares: list[Any] = []

    def __call__(
        self, function: Callable[[T], None], items: Iterable[T], /
    ) -> Iterable[None]:
        given = list(items)
        self.shares += given
        return map(function, given)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_candidates, "PIECE", 3)


def test_they_come_in_order_and_verified() -> None:
    raws = [*_raws(40), b"[]", encode(sealed(metadata={"not": "signed"}))]
    found = _all(BlockCandidates(_cache()), raws)
    assert [each.sha256 for each in found] == [
        each.sha256 for each in map(_cache().examine, raws)
    ]
    assert all(each.is_verified for each in found)
    assert [each.is_fulfilled(0) for each in found if each.transaction] == [
        *[True] * 40,
        False,
    ]


def test_no_transactions_are_no_candidates() -> None:
    assert list(BlockCandidates(_cache()).pieces([])) == []


def test_what_is_new_has_its_document_and_is_not_cached() -> None:
    cache = _cache()
    raw, known = _raws(2)
    kept = cache.examine(known)
    new, found = _all(BlockCandidates(cache), [raw, known])
    assert found is kept and found.document is None
    assert new.transaction is not None and new.document == new.transaction.value
    assert not cache.has(raw)


def test_many_signatures_are_shared_out_and_few_are_not() -> None:
    few, many = _Recorded(), _Recorded()
    _all(BlockCandidates(_cache(few)), _raws(15))
    assert few.shares == []
    _all(BlockCandidates(_cache(many)), _raws(40))
    assert [len(share) for share in many.shares] == [16, 16, 8]


def test_what_was_verified_before_is_not_shared_out() -> None:
    recorded = _Recorded()
    cache = _cache(recorded)
    raws = _raws(40)
    cache.examine_all(raws, within=1_000_000)
    _all(BlockCandidates(cache), raws)
    assert recorded.shares == []


def test_each_that_is_expensive_is_a_share() -> None:
    recorded = _Recorded()
    dear = [
        dear_create(ALICE, signatures=200, prefix_bytes=5_000, nonce=str(n))
        for n in range(2)
    ]
    _all(BlockCandidates(_cache(recorded)), dear)
    assert [len(share) for share in recorded.shares] == [1, 1]


@pytest.mark.usefixtures("small_pieces")
def test_a_piece_is_examined_once_the_one_before_has_been_handed_out() -> None:
    raws = _raws(7)
    seen: list[bytes] = []

    class Cache(CandidateCache):
        def examine(self, raw: bytes, *, keep: bool = True) -> Candidate:
            seen.append(raw)
            return super().examine(raw, keep=keep)

    pieces = BlockCandidates(Cache(LARGE)).pieces(raws)
    assert [(len(piece), len(seen)) for piece in pieces] == [(3, 3), (3, 6), (1, 7)]
    assert seen == raws


def test_pieces_have_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    raws = _raws(5)
    monkeypatch.setattr(block_candidates, "PIECE_BYTES", len(raws[0]) * 2)
    large = encode(create(ALICE, metadata={"a": "x" * 5_000}))
    pieces = BlockCandidates(_cache()).pieces([*raws[:3], large, *raws[3:]])
    assert [len(piece) for piece in pieces] == [2, 1, 1, 2]


def test_at_most_the_last_candidate_that_was_taken_is_kept() -> None:
    class Weak(Candidate):
        __slots__ = ("__weakref__",)

    class Cache(CandidateCache):
        def examine(self, raw: bytes, *, keep: bool = True) -> Candidate:
            return Weak(raw, b"")

    alive: list[weakref.ref[Candidate]] = []
    candidates = BlockCandidates(Cache(LARGE))
    raws = _raws(3)
    candidates.prepare(raws)
    for raw in raws:
        alive.append(weakref.ref(candidates.take(raw)))
        gc.collect()
        assert [each() for each in alive[:-1]] == [None] * (len(alive) - 1)
    candidates.prepare(())
    gc.collect()
    assert alive[-1]() is None


def test_expected_ones_are_examined_together_and_taken_in_order() -> None:
    recorded = _Recorded()
    candidates = BlockCandidates(_cache(recorded))
    raws = _raws(40)
    candidates.prepare(raws)
    assert recorded.shares == []
    taken = [candidates.take(raw) for raw in raws]
    assert len(recorded.shares) == 3
    assert all(each.is_verified for each in taken)
    assert [each.sha256 for each in taken] == [
        _cache().examine(raw).sha256 for raw in raws
    ]


def test_another_one_than_expected_is_examined_alone() -> None:
    first, second, third = _raws(3)
    candidates = BlockCandidates(_cache())
    assert candidates.take(first).transaction is not None
    candidates.prepare([first, third])
    for raw in second, third:
        taken = candidates.take(raw)
        assert taken.sha256 == _cache().examine(raw).sha256
        assert not taken.is_verified


def test_a_later_expectation_replaces_an_earlier_one() -> None:
    first, second = _raws(2)
    candidates = BlockCandidates(_cache())
    candidates.prepare([first])
    candidates.prepare([second])
    assert candidates.take(second).is_verified


def test_what_a_thread_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        pass

    raised_in: list[int] = []

    def verify(candidate: Candidate) -> None:
        raised_in.append(threading.get_ident())
        raise Broken

    monkeypatch.setattr(Candidate, "verify", verify)
    with ThreadPoolExecutor(2) as threads:
        for raws in _raws(40), _raws(1):
            with pytest.raises(Broken):
                _all(BlockCandidates(_cache(threads.map)), raws)
    assert threading.get_ident() not in raised_in[:-1]


def test_threads_give_the_same_as_none() -> None:
    forged = [encode(sealed(metadata={"forged": n})) for n in range(PIECE // 2)]
    raws: Sequence[bytes] = [
        raw for pair in zip(_raws(PIECE // 2), forged) for raw in pair
    ]
    with ThreadPoolExecutor(2) as threads:
        shared = _all(BlockCandidates(_cache(threads.map)), raws)
    assert [each.is_fulfilled(0) for each in shared] == [True, False] * (PIECE // 2)
