from __future__ import annotations

import gc
import hashlib
import threading
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.bench.dear_transactions import dear_create
from scripts.signing import Document, create, encode, seal, sign, transfer
from tests.transactions.documents import (
    ALICE,
    BOB,
    base64url,
    element,
    raw_of,
    sealed,
    vector,
)
from tests.transactions.states import State
from trio_stream.transactions.candidate import (
    REFUSED_SHARE,
    Candidate,
    CandidateCache,
)
from trio_stream.transactions.costs import BUDGET
from trio_stream.transactions.errors import (
    InvalidHash,
    MalformedTransaction,
    ValidationError,
)
from trio_stream.transactions.fulfillments import PAUSE
from trio_stream.transactions.rules import validate

LARGE = 100_000_000
T = TypeVar("T")


def _raw(number: int) -> bytes:
    return encode(create(ALICE, metadata={"n": number}))


def test_a_candidate_of_valid_bytes() -> None:
    raw = _raw(1)
    candidate = CandidateCache(LARGE).examine(raw)
    assert candidate.sha256 == hashlib.sha256(raw).digest()
    assert candidate.transaction is not None
    assert candidate.transaction_id == candidate.transaction.id
    assert candidate.error is None
    assert candidate.is_fulfilled(0)


def test_a_candidate_of_invalid_bytes_has_the_error_and_the_claimed_id() -> None:
    claimed = "0" * 64
    candidate = CandidateCache(LARGE).examine(encode(sealed() | {"id": claimed}))
    assert candidate.transaction is None
    assert isinstance(candidate.error, InvalidHash)
    assert candidate.transaction_id == claimed


def test_an_error_is_a_new_one_each_time_so_that_it_keeps_no_frames() -> None:
    candidate = CandidateCache(LARGE).examine(b"[]")
    for _ in range(2):
        error = candidate.error
        assert error is not None and error.__traceback__ is None
        assert error.__cause__ is None and error.__context__ is None
        with pytest.raises(MalformedTransaction, match="not a JSON object"):
            validate(candidate, State())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"id": 5}', b'{"id": "abc"}'])
def test_bytes_that_claim_no_id_have_none(raw: bytes) -> None:
    candidate = Candidate(raw, b"")
    assert candidate.transaction_id is None
    assert candidate.error is not None


def test_fulfilling_a_condition_takes_that_condition() -> None:
    candidate = Candidate(_raw(1), b"")
    assert candidate.transaction is not None
    uri = candidate.transaction.outputs[0].condition_uri
    assert candidate.fulfills(0, uri)
    assert not candidate.fulfills(0, f"{uri}&")
    assert not candidate.fulfills(0, None)


def test_the_same_bytes_are_parsed_once_while_they_are_kept() -> None:
    cache = CandidateCache(LARGE)
    assert cache.examine(_raw(1)) is cache.examine(_raw(1))


def test_many_are_examined_as_each_alone() -> None:
    forged = encode(sealed(metadata={"not": "signed"}))
    raws = [_raw(1), b"[]", forged, _raw(1), _raw(2)]
    for size in LARGE, 0:
        cache = CandidateCache(size)
        together = cache.examine_all(raws, within=BUDGET)
        alone = [Candidate(raw, hashlib.sha256(raw).digest()) for raw in raws]
        assert [each.sha256 for each in together] == [each.sha256 for each in alone]
        assert [type(each.error) for each in together] == [
            type(each.error) for each in alone
        ]
        assert [each.is_fulfilled(0) for each in together if each.transaction] == [
            *[True, False, True, True]
        ]


def test_what_is_not_to_be_kept_is_found_but_not_put() -> None:
    cache = CandidateCache(LARGE)
    kept = cache.examine(_raw(1))
    assert kept.document is None
    assert cache.examine(_raw(1), keep=False) is kept
    new = cache.examine(_raw(2), keep=False)
    assert new.transaction is not None
    assert new.document == new.transaction.value
    assert not cache.has(_raw(2))
    assert cache.examine(b"[]", keep=False).document is None


def test_it_is_known_whether_every_signature_was_verified() -> None:
    candidate = Candidate(_raw(1), b"")
    assert not candidate.is_verified
    candidate.verify()
    assert candidate.is_verified
    assert Candidate(b"[]", b"").is_verified, "there are none"


def test_equal_values_are_not_the_same_bytes() -> None:
    cache = CandidateCache(LARGE)
    document = create(ALICE, metadata={"n": 1})
    assert cache.examine(encode(document)).error is None
    for number in 1.0, True:
        copy = encode({**document, "metadata": {"n": number}})
        assert isinstance(cache.examine(copy).error, InvalidHash)


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = CandidateCache(0)
    assert cache.examine(_raw(1)) is not cache.examine(_raw(1))
    assert cache.size == 0


def test_the_cache_forgets_what_was_seen_longest_ago() -> None:
    one = CandidateCache(LARGE)
    one.examine(_raw(1))
    cache = CandidateCache(one.size * 3)
    first, second, third = (cache.examine(_raw(number)) for number in (1, 2, 3))
    assert cache.examine(_raw(1)) is first
    cache.examine(_raw(4))
    assert cache.size <= one.size * 3
    assert cache.examine(_raw(1)) is first
    assert cache.examine(_raw(3)) is third
    assert cache.examine(_raw(2)) is not second


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    one = CandidateCache(LARGE)
    kept = one.examine(_raw(1))
    cache = CandidateCache(one.size)
    kept = cache.examine(_raw(1))
    cache.examine(encode(create(ALICE, data={"a": "x" * 10_000})))
    assert cache.examine(_raw(1)) is kept


def _unreadable(number: int) -> bytes:
    return b'{"n": %d}' % number


def _weight(raw: bytes) -> int:
    cache = CandidateCache(LARGE)
    cache.examine(raw)
    return cache.size


MAKERS = pytest.mark.parametrize("make", [_raw, _unreadable])
"""Refused by the state, and refused in any state."""


def _refuse_ten(cache: CandidateCache, make: Callable[[int], bytes]) -> list[bool]:
    """Refuse ten of one weight; returns for each whether it is still cached."""
    raws = [make(number) for number in range(1_000, 1_010)]
    for raw in raws:
        cache.refuse(cache.examine(raw))
    return [cache.has(raw) for raw in raws]


@MAKERS
def test_refused_candidates_take_a_share_of_the_cache_and_no_more(
    make: Callable[[int], bytes],
) -> None:
    share = 3 * _weight(make(1_000))
    cache = CandidateCache(share * REFUSED_SHARE)
    assert _refuse_ten(cache, make) == [False] * 7 + [True] * 3
    assert cache.size == share


@MAKERS
def test_in_a_full_cache_they_displace_no_more_than_their_share(
    make: Callable[[int], bytes],
) -> None:
    share = 3 * _weight(make(1_000))
    cache = CandidateCache(share * REFUSED_SHARE)
    good = [_raw(number) for number in range(100, 200)]
    cache.examine_all(good, within=BUDGET)
    before = sum(map(cache.has, good))
    assert before < len(good)
    assert _refuse_ten(cache, make) == [False] * 7 + [True] * 3
    # One more, since the candidate is whole when it comes, and one for the bytes left over.
    assert sum(map(cache.has, good)) >= before - share // _weight(_raw(100)) - 2
    assert cache.size <= share * REFUSED_SHARE


def test_what_was_refused_is_found_again() -> None:
    cache = CandidateCache(LARGE)
    for raw in _raw(1), _unreadable(1):
        candidate = cache.examine(raw)
        size = cache.size
        for _ in range(2):
            cache.refuse(candidate)
            assert cache.has(raw)
            assert cache.examine(raw) is candidate
        assert cache.size == size


def test_what_the_state_refused_may_be_accepted_later_and_is_kept_as_ever() -> None:
    """A transfer may be posted before what it spends is committed."""
    cache = CandidateCache(4 * REFUSED_SHARE * _weight(_raw(1)))
    early = cache.examine(_raw(1))
    cache.refuse(early)
    assert cache.examine(_raw(1)) is early  # accepted this time
    for number in range(10, 30):
        cache.refuse(cache.examine(_raw(number)))
    assert cache.examine(_raw(1)) is early


def test_what_is_not_kept_may_be_refused() -> None:
    cache = CandidateCache(REFUSED_SHARE * _weight(_raw(1)) - 1)
    kept = cache.examine(_raw(1))
    cache.refuse(kept)  # larger than the share
    assert not cache.has(_raw(1))
    cache.refuse(kept)
    assert cache.size == 0


def test_the_lock_is_held_for_the_table_alone() -> None:
    lock = threading.Lock()
    cache = CandidateCache(LARGE, lock=lock)
    assert cache.examine(_raw(1)) is cache.examine(_raw(1))
    assert not lock.locked()


class _Turnstile:
    """Lets another thread in before each turn except the first."""

    def __init__(self) -> None:
        self.before: list[Callable[[], object]] = []

    def __enter__(self) -> None:
        if self.before:
            self.before.pop()()

    def __exit__(self, *_: object) -> None: ...


def test_two_threads_may_parse_the_same_bytes_at_once() -> None:
    turnstile = _Turnstile()
    cache = CandidateCache(LARGE, lock=turnstile)
    # The other one comes after ours has looked, and before it puts.
    turnstile.before = [lambda: cache.examine(_raw(1)), lambda: None]
    ours = cache.examine(_raw(1))
    size = cache.size
    theirs = cache.examine(_raw(1))
    assert theirs is not ours
    assert theirs.transaction_id == ours.transaction_id
    assert cache.size == size


def _nested(parts: bytes, others: bytes = b"") -> bytes:
    data = element(0xA2, element(0xA0, parts), element(0xA1, others))
    document = create(ALICE)
    document["inputs"][0]["fulfillment"] = base64url(data)
    return encode(seal(document))


def _minimal_inputs() -> bytes:
    document = transfer(create(ALICE), ALICE)
    link = {"output_index": 300, "transaction_id": "a" * 64}
    document["inputs"] = [
        {"fulfillment": "oAKAAA", "fulfills": link, "owners_before": []}
        for _ in range(200)
    ]
    return encode(seal(document))


PREIMAGE = element(0xA0, element(0x80))
WEIGHED: dict[str, Callable[[], bytes]] = {
    "small": lambda: _raw(1),
    "data": lambda: encode(create(ALICE, data={"a": ["x" * 9] * 2_000})),
    "outputs": lambda: encode(create(ALICE, recipients=[(BOB, 1)] * 200)),
    "inputs": _minimal_inputs,
    "preimages": lambda: _nested(PREIMAGE * 500),
    "thresholds": lambda: _nested(bytes.fromhex("a204a000a100") * 500),
    "prefixes": lambda: _nested(
        element(0xA1, element(0x80), element(0x81), element(0xA2, PREIMAGE)) * 500
    ),
    "conditions": lambda: _nested(
        b"", element(0xA0, element(0x80, bytes(32)), element(0x81)) * 500
    ),
    "not JSON": lambda: b"[" + b"1," * 20_000,
    "not UTF-8": lambda: b"\xff" * 40_000,
    "long error": lambda: encode({"id": "\U0001f600" * 3_000}),
    "refused late": lambda: encode(sealed(metadata={"a": [[]] * 3_000, "$": 1})),
}


@pytest.mark.parametrize("kind", WEIGHED)
def test_memory_is_not_underestimated(kind: str) -> None:
    raw = WEIGHED[kind]()
    CandidateCache(LARGE).examine(raw)  # what is made once and for all is made now
    # Other threads may take memory meanwhile, but hardly each time.
    assert any(taken < size for taken, size in (_weighed(raw) for _ in range(5)))


def _weighed(raw: bytes) -> tuple[int, int]:
    """The bytes that are taken for a transaction, and those that are reckoned."""
    cache = CandidateCache(LARGE)
    gc.collect()
    tracemalloc.start()
    try:
        # A copy of its own, as the door has: a kept model keeps its bytes.
        candidate = cache.examine(bytes(bytearray(raw)))
        if candidate.transaction is not None:
            candidate.is_fulfilled(0)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return taken, cache.size


Step = tuple[int, int, int]
Verdict = str


def _apply(steps: list[Step], cache: CandidateCache) -> list[Verdict]:
    """Blocks of generated transactions through one cache; each verdict in order."""
    state = State()
    verdicts: list[Verdict] = []
    for raw in _generate(steps):
        for _ in range(2):  # the mempool's question, then the block's
            try:
                accepted = validate(cache.examine(raw), state)
            except ValidationError as error:
                verdicts.append(f"{type(error).__name__}: {error}")
            else:
                verdicts.append(accepted.id)
        if not verdicts[-1].startswith(tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")):
            state.add(accepted)
    return verdicts


def _generate(steps: list[Step]) -> list[bytes]:
    """Transactions, valid, invalid and repeated, over few keys and outputs."""
    made: list[Document] = [create(ALICE, recipients=[(ALICE, 1), (BOB, 2)])]
    raws = [encode(made[0])]
    for kind, which, detail in steps:
        target = made[which % len(made)]
        match kind:
            case 0:
                made.append(create(ALICE, metadata={"n": detail}))
            case 1:
                index = detail % len(target["outputs"])
                made.append(transfer(target, BOB, output_index=index))
            case 2:
                made.append(transfer(target, ALICE, recipients=[(ALICE, 1 + detail)]))
            case 3:
                forged = transfer(target, ALICE)
                made.append(sign(forged, [ALICE, BOB][detail % 2]))
            case 4:
                raws.append(encode({**target, "metadata": {"n": float(detail)}}))
                continue
            case _:
                made.append(target)
        raws.append(encode(made[-1]))
    return raws


ONE_CANDIDATE = CandidateCache(LARGE)
ONE_CANDIDATE.examine(_raw(1))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 2)), max_size=12
    )
)
def test_verdicts_do_not_depend_on_the_cache(steps: list[Step]) -> None:
    without = _apply(steps, CandidateCache(0))
    full = CandidateCache(LARGE)
    assert _apply(steps, full) == without
    assert _apply(steps, full) == without  # everything is known by now
    assert _apply(steps, CandidateCache(ONE_CANDIDATE.size)) == without


def test_recorded_transactions_have_the_same_verdict_twice() -> None:
    cache = CandidateCache(LARGE)
    for name in "v01_create_simple", "i17_create_bad_signature", "x05_metadata_nan":
        raw = raw_of(vector(name))
        first, second = (cache.examine(raw) for _ in range(2))
        assert first is second
        assert (first.error is None) == (name != "x05_metadata_nan")


def test_expensive_candidates_are_verified_in_parallel() -> None:
    given: list[Any] = []

    def backwards(
        verify: Callable[[T], None], candidates: Iterable[T], /
    ) -> Iterable[None]:
        given.extend(candidates)
        for candidate in reversed(given):
            verify(candidate)
        return [None] * len(given)

    dear = [
        dear_create(ALICE, signatures=200, prefix_bytes=5_000, nonce=nonce)
        for nonce in ("1", "2")
    ]
    cheap = dear_create(ALICE, signatures=2, prefix_bytes=5)
    cache = CandidateCache(1 << 24, in_parallel=backwards)
    candidates = cache.examine_all([dear[0], cheap, dear[1]], within=BUDGET)
    assert [each.sha256 for each in given] == [candidates[i].sha256 for i in (0, 2)]
    assert all(each.is_fulfilled(0) for each in candidates)


def test_candidates_that_cost_more_than_is_allowed_are_left_for_later() -> None:
    dear = dear_create(ALICE, signatures=200, prefix_bytes=5_000)
    pauses: list[None] = []
    cache = CandidateCache(LARGE)
    token = PAUSE.set(lambda: pauses.append(None))
    try:
        candidates = cache.examine_all([dear, _raw(1)], within=5_000)
        assert len(pauses) == 1, "only the cheap one was verified, and paused after it"
        assert all(each.is_fulfilled(0) for each in candidates)
        assert len(pauses) > 1
    finally:
        PAUSE.reset(token)
