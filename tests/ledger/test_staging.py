"""What a transaction sees of the block that it is in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, CAROL, TIME, MemoryStore, new_engine
from trio_stream.ledger.block import RefusedTransaction
from trio_stream.ledger.staging import BlockView, StagedBlock, reason
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.model import parse

CACHE = CandidateCache(1 << 20)


def staged():
    return StagedBlock(MemoryStore(), height=1, time=TIME)


def deliver(block, *documents):
    """The errors of these, in order; None for each that is accepted."""
    refusals = [block.deliver(CACHE.examine(encode(each))) for each in documents]
    return [refused and refused.error for refused in refusals]


def test_a_duplicate_in_one_block_is_refused():
    asset = create(ALICE)
    assert deliver(staged(), asset, asset) == [None, "DuplicateTransaction"]


def test_a_transfer_may_follow_its_asset_in_the_block_but_not_precede_it():
    asset = create(ALICE)
    moved = transfer(asset, ALICE, recipients=[(BOB, 1)])
    on = transfer(moved, BOB, recipients=[(CAROL, 1)])
    errors = deliver(staged(), moved, asset, moved, on)
    assert errors == ["InputDoesNotExist", None, None, None]


def test_a_double_spend_in_one_block_is_refused():
    asset = create(ALICE)
    first = transfer(asset, ALICE, recipients=[(BOB, 1)])
    second = transfer(asset, ALICE, recipients=[(CAROL, 1)])
    assert deliver(staged(), asset, first, second) == [None, None, "DoubleSpend"]


def test_a_refused_transaction_leaves_no_trace():
    asset = create(ALICE)
    stolen = transfer(asset, BOB)
    on = transfer(stolen, BOB)
    moved = transfer(asset, ALICE)
    errors = deliver(staged(), asset, stolen, on, moved)
    assert errors == [None, "InvalidSignature", "InputDoesNotExist", None]


def test_a_refusal_that_was_recorded_takes_a_place():
    refused = RefusedTransaction(7, b"hash", None, "DoubleSpend", "because")
    staged = StagedBlock(MemoryStore(), height=1, time=TIME)
    staged.note(refused)
    staged.deliver(CandidateCache(0).examine(encode(create(ALICE))))
    block = staged.end("")
    assert block.refused == [replace(refused, index=0)]
    assert [each.index for each in block.accepted] == [1]


def test_text_that_is_not_an_id_is_not_kept():
    document = {**create(ALICE), "id": "x" * 100}
    block = staged()
    deliver(block, document)
    assert block.end("").refused[0].transaction_id is None


def test_the_view_answers_for_committed_and_staged_alike():
    asset = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)])
    moved = transfer(asset, BOB, output_index=1, recipients=[(CAROL, 2)])
    engine = new_engine()
    engine.block(encode(asset))
    view = BlockView(engine.store)
    view.accept(parse(encode(moved)))

    assert view.has_transaction(asset["id"])
    assert view.has_transaction(moved["id"])
    assert not view.has_transaction("0" * 64)
    assert view.output(asset["id"], 1).amount == 2
    assert view.output(moved["id"], 0).asset_id == asset["id"]
    for index in (-1, 1, 2**64 - 1):
        assert view.output(moved["id"], index) is None
    assert view.spender(asset["id"], 1) == moved["id"]
    assert view.spender(asset["id"], 0) is None
    assert view.spender(moved["id"], 0) is None


def test_a_reason_is_short_and_fit_for_utf_8():
    text = reason(ValidationError("\ud800" * 1000))
    assert len(text) <= 300
    text.encode()


def pool():
    """Transactions that depend on, repeat and contradict each other."""
    asset = create(ALICE, recipients=[(ALICE, 3), (BOB, 4)])
    other = create(BOB)
    moved = transfer(asset, ALICE, recipients=[(CAROL, 1), (BOB, 2)])
    rival = transfer(asset, ALICE, recipients=[(BOB, 3)])
    on = transfer(moved, CAROL, recipients=[(ALICE, 1)])
    stolen = transfer(asset, CAROL, output_index=1)
    away = transfer(other, BOB, recipients=[(ALICE, 1)])
    broken = {**other, "metadata": {"changed": True}}
    documents = [asset, other, moved, rival, on, stolen, away, broken]
    spaced = encode(asset).replace(b'"version"', b'  "version"')
    return [*map(encode, documents), spaced, b"{}", b"\xff"]


POOL = pool()
LARGEST = max(map(len, POOL))

blocks = st.lists(st.lists(st.sampled_from(POOL), max_size=6), max_size=5)


@settings(deadline=None)
@given(blocks)
def test_the_cache_and_the_way_a_block_comes_change_no_answer(blocks):
    def run(*, whole, cache_bytes):
        engine = new_engine(whole=whole, cache_bytes=cache_bytes)
        engine.init_chain(app_state=b'{"start_hash": "empty"}')
        answers = [engine.block(*txs) for txs in blocks]
        return answers, engine.memory.blocks

    expected = run(whole=False, cache_bytes=0)
    # Nothing kept, everything kept, about one transaction kept.
    for cache_bytes in (0, 1 << 20, LARGEST * 12):
        assert run(whole=True, cache_bytes=cache_bytes) == expected


@settings(deadline=None)
@given(blocks)
def test_the_same_transactions_are_accepted_however_they_are_cut_into_blocks(blocks):
    in_blocks, in_one = new_engine(), new_engine()
    answered = [code for txs in blocks for code in in_blocks.block(*txs)[0]]
    assert in_one.block(*(tx for txs in blocks for tx in txs))[0] == answered
