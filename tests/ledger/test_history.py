"""Which chain is begun, and which block may follow."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode
from tests.ledger.chains import (
    ALICE,
    BOB,
    CHAIN_ID,
    TIME,
    MemoryStore,
    new_engine,
)
from trio_stream.abci import messages
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import MAX_HEIGHT, Chain
from trio_stream.ledger.genesis import START_HASHES
from trio_stream.ledger.history import History
from trio_stream.transactions.candidate import CandidateCache

INFO = messages.Info("", "")
COMMIT = messages.Commit()


def begin(height, chain_id=CHAIN_ID):
    return messages.BeginBlock(chain_id, height, TIME)


def finalize(height, *txs):
    return messages.FinalizeBlock(txs, height, TIME)


def assert_failure(answer, *named):
    assert isinstance(answer, messages.Failure), answer
    for text in named:
        assert text in answer.error


@pytest.fixture(params=[False, True], ids=["in steps", "whole"])
def engine(request):
    return new_engine(whole=request.param)


def empty_application():
    return Application(MemoryStore(), CandidateCache(0), version="7.1")


def test_info_before_any_chain():
    answer = empty_application().answer(INFO, owner=1)
    assert answer == messages.InfoAnswer("7.1", 0, b"")


def test_info_has_no_hash_before_the_first_block_however_the_chain_starts():
    engine = new_engine(whole=True)
    assert engine.memory.begun.start_hash
    assert engine.ask(INFO) == messages.InfoAnswer("0", 0, b"")


def test_info_is_the_newest_commit_and_not_the_block_in_progress(engine):
    _, app_hash = engine.block(encode(create(ALICE)))
    engine.deliver(encode(create(BOB)))
    assert engine.ask(INFO) == messages.InfoAnswer("0", 1, app_hash.encode())


def test_init_chain_answers_the_start(engine):
    start = START_HASHES["sha3" if engine.whole else "empty"]
    assert engine.init_chain() == messages.InitChainAnswer(start.encode())
    _, app_hash = engine.block()
    assert app_hash == start


def test_init_chain_at_height_0_replaces_the_one_before(engine):
    engine.init_chain(initial_height=5)
    engine.init_chain(initial_height=8)
    assert_failure(engine.ask(begin(5)), "next one here is 8")
    engine.block()
    assert engine.application.height == 8


def test_init_chain_above_height_0_is_refused(engine):
    engine.block()
    assert_failure(engine.init_chain(), "height 1")
    assert engine.application.height == 1
    assert engine.memory.begun.initial_height == 1


def test_init_chain_of_another_chain_is_refused(engine):
    assert_failure(engine.init_chain(chain_id="other"), "'other'", repr(CHAIN_ID))
    assert engine.memory.begun.chain_id == CHAIN_ID


def test_init_chain_that_asks_for_the_unknown_is_refused(engine):
    refused = engine.init_chain(app_state=b'{"rules": 9}', initial_height=3)
    assert_failure(refused, "rules 9")
    assert engine.memory.begun.initial_height == 1


@pytest.mark.parametrize("height", [0, -1, 1, 3, 2**63 - 1])
def test_a_block_of_another_height_is_refused_and_changes_nothing(engine, height):
    engine.block(encode(create(ALICE)))
    engine.deliver()
    before = engine.ask(INFO)

    assert_failure(engine.ask(begin(height), owner=2), "next one here is 2")
    assert_failure(engine.ask(finalize(height), owner=2), "next one here is 2")

    assert engine.ask(INFO) == before
    assert isinstance(engine.ask(COMMIT), messages.CommitAnswer)


def test_the_first_block_has_the_initial_height(engine):
    engine.init_chain(initial_height=10)
    assert_failure(engine.ask(begin(1)), "next one here is 10")
    assert_failure(engine.ask(finalize(11)), "next one here is 10")
    engine.block()
    engine.block()
    assert engine.application.height == 11


def test_a_block_above_the_greatest_height_is_refused(engine):
    engine.init_chain(initial_height=MAX_HEIGHT)
    engine.block()
    assert_failure(engine.ask(begin(MAX_HEIGHT + 1)))


def test_a_block_before_init_chain_is_refused():
    fresh = empty_application()
    assert_failure(fresh.answer(begin(1), owner=1), "before InitChain")
    assert_failure(fresh.answer(finalize(1), owner=1), "before InitChain")


def test_a_block_of_another_chain_is_refused():
    engine = new_engine()
    assert_failure(engine.ask(begin(1, chain_id="other")), "'other'", repr(CHAIN_ID))
    assert_failure(engine.ask(COMMIT))


def test_a_block_that_follows_another_hash_is_refused_and_changes_nothing():
    engine = new_engine()
    _, app_hash = engine.block(encode(create(ALICE)))
    before = engine.ask(INFO)
    for theirs in (b"", b"0" * 64, app_hash.upper().encode(), b"\xff" * 100):
        wrong = messages.BeginBlock(CHAIN_ID, 2, TIME, theirs)
        refused = engine.ask(wrong)
        assert_failure(refused, "block 2 follows app hash", app_hash, "disagree")
        assert len(refused.error) < 900
        assert_failure(engine.ask(COMMIT), "outside of a block")
    assert engine.ask(INFO) == before
    right = messages.BeginBlock(CHAIN_ID, 2, TIME, app_hash.encode())
    assert engine.ask(right) == messages.Done()


def test_a_chain_that_began_with_another_hash_is_refused_at_its_first_block():
    engine = new_engine()
    wrong = messages.BeginBlock(CHAIN_ID, 1, TIME, b"0" * 64)
    assert_failure(engine.ask(wrong), "start_hash", "here it is empty")
    right = messages.BeginBlock(CHAIN_ID, 1, TIME, b"")
    assert engine.ask(right) == messages.Done()


def test_the_chain_of_the_store_is_taken_up():
    store = MemoryStore()
    store.begin_chain(Chain(CHAIN_ID, 1, "ab" * 32, 4, TIME, ()))
    fresh = Application(store, CandidateCache(0), version="0")
    answer = fresh.answer(finalize(4), owner=1)
    assert answer == messages.FinalizeBlockAnswer([], b"ab" * 32)


def test_what_a_restored_snapshot_changed_is_found():
    engine = new_engine(whole=True)
    engine.block(encode(create(ALICE)))
    store = MemoryStore()
    history = History(store)
    assert not history.reload()
    store.begun, store.blocks = engine.memory.begun, engine.memory.blocks
    assert history.reload() and not history.reload()
    assert history.newest() == engine.memory.tip()
    history.check_header(CHAIN_ID, 2, engine.memory.tip().app_hash.encode())
