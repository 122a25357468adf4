"""What the state machine answers, and what it refuses to do."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import (
    ALICE,
    BOB,
    CHAIN_ID,
    TIME,
    Engine,
    MemoryStore,
    new_engine,
)
from trio_stream.abci import messages
from trio_stream.ledger import application
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import MAX_HEIGHT, Chain, next_app_hash
from trio_stream.ledger.genesis import START_HASHES
from trio_stream.transactions.candidate import CandidateCache

INFO = messages.Info("", "")
COMMIT = messages.Commit()


def begin(height, chain_id=CHAIN_ID):
    return messages.BeginBlock(chain_id, height, TIME)


def finalize(height, *txs):
    return messages.FinalizeBlock(txs, height, TIME)


def end(height):
    return messages.EndBlock(height)


def assert_failure(answer, *named):
    assert isinstance(answer, messages.Failure), answer
    for text in named:
        assert text in answer.error


@pytest.fixture(params=[False, True], ids=["in steps", "whole"])
def engine(request):
    return new_engine(whole=request.param)


def empty_application():
    return Application(MemoryStore(), CandidateCache(0), version="7.1")


# Info and InitChain


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


def test_init_chain_drops_a_block_in_progress(engine):
    engine.deliver()
    engine.init_chain()
    assert_failure(engine.ask(COMMIT), "outside of a block")


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


# Heights


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


# The hash before a block


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


# Steps and ownership


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], messages.DeliverTx(b"")),
        ([], end(1)),
        ([], COMMIT),
        ([begin(1)], COMMIT),
        ([begin(1)], end(2)),
        ([begin(1), end(1)], end(1)),
        ([begin(1), end(1)], messages.DeliverTx(b"")),
        ([finalize(1)], messages.DeliverTx(b"")),
        ([finalize(1)], end(1)),
        ([finalize(1), COMMIT], COMMIT),
    ],
)
def test_a_step_out_of_order_is_refused(before, step):
    engine = new_engine()
    for request in before:
        assert not isinstance(engine.ask(request), messages.Failure)
    height = engine.application.height
    assert_failure(engine.ask(step))
    assert engine.application.height == height


@pytest.mark.parametrize("step", [messages.DeliverTx(b""), end(1), COMMIT])
def test_another_connection_can_not_go_on_with_a_block(step):
    engine = new_engine()
    engine.ask(begin(1), owner=1)
    assert_failure(engine.ask(step, owner=2))
    engine.ask(end(1), owner=1)
    assert_failure(engine.ask(step, owner=2))
    assert engine.ask(COMMIT, owner=1) == messages.CommitAnswer(b"")


@pytest.mark.parametrize("beginning", [begin(1), finalize(1)])
def test_beginning_a_block_on_another_connection_takes_over(engine, beginning):
    engine.deliver(encode(create(ALICE)))
    engine.ask(beginning, owner=2)
    assert_failure(engine.ask(COMMIT, owner=1))
    if beginning == begin(1):
        engine.ask(end(1), owner=2)
    engine.ask(COMMIT, owner=2)
    assert engine.memory.blocks[0].accepted == []


def test_beginning_a_block_again_drops_what_was_delivered(engine):
    tx = encode(create(ALICE))
    engine.deliver(tx)
    codes, _ = engine.block(tx)
    assert codes == [0]


def test_a_closed_connection_takes_its_block_along(engine):
    engine.deliver()
    engine.application.disown(1)
    assert_failure(engine.ask(COMMIT))
    assert engine.application.height == 0


def test_another_connection_that_closes_leaves_the_block(engine):
    engine.deliver()
    engine.application.disown(2)
    assert isinstance(engine.ask(COMMIT), messages.CommitAnswer)


def test_a_block_can_be_committed_once(engine):
    engine.block()
    assert_failure(engine.ask(COMMIT))


def test_a_block_of_more_transactions_than_have_a_position_is_refused(monkeypatch):
    monkeypatch.setattr(application, "MAX_TRANSACTIONS", 2)
    engine = new_engine()
    engine.deliver(b"1", b"2")
    engine.ask(begin(1))
    assert engine.ask(messages.DeliverTx(b"1")).code == 1
    assert engine.ask(messages.DeliverTx(b"2")).code == 1
    assert_failure(engine.ask(messages.DeliverTx(b"3")), "more than 2")
    assert_failure(engine.ask(finalize(1, b"1", b"2", b"3")), "more than 2")
    assert not isinstance(engine.ask(finalize(1, b"1", b"2")), messages.Failure)


# Transactions


def test_a_block_keeps_indexes_and_refusals(engine):
    good, late = create(ALICE, metadata={"n": 1}), create(ALICE, metadata={"n": 2})

    codes, app_hash = engine.block(b"{", encode(good), encode(good), encode(late))

    assert codes == [1, 0, 1, 0]
    block = engine.memory.blocks[0]
    assert (block.height, block.time, block.app_hash) == (1, TIME, app_hash)
    assert [each.index for each in block.accepted] == [1, 3]
    assert [each.raw for each in block.accepted] == [encode(good), encode(late)]
    refused = [(r.index, r.transaction_id, r.error) for r in block.refused]
    assert refused == [
        (0, None, "MalformedTransaction"),
        (2, good["id"], "DuplicateTransaction"),
    ]
    assert good["id"] in block.refused[1].reason


def test_the_hash_is_over_the_accepted_ids_alone():
    engine = new_engine()
    good = create(ALICE)
    _, app_hash = engine.block(b"no", encode(good), b"no")
    assert app_hash == next_app_hash("", [good["id"]])


def test_a_block_with_nothing_accepted_keeps_the_hash(engine):
    _, before = engine.block(encode(create(ALICE)))
    _, after = engine.block(b"no", encode(create(ALICE)))
    assert after == before


def test_check_tx_knows_what_is_committed_and_not_the_block_in_progress(engine):
    asset = create(ALICE)
    moved = transfer(asset, ALICE, recipients=[(BOB, 1)])
    engine.deliver(encode(asset))

    assert engine.ask(messages.CheckTx(encode(asset))).code == 0
    refused = engine.ask(messages.CheckTx(encode(moved)))
    assert (refused.code, refused.log[:19]) == (1, "InputDoesNotExist: ")

    engine.ask(COMMIT)
    assert engine.ask(messages.CheckTx(encode(asset))).code == 1
    assert engine.ask(messages.CheckTx(encode(moved))).code == 0


def test_quick_is_what_was_looked_at_whatever_else_is_asked(engine):
    check = messages.CheckTx(encode(create(ALICE)))
    requests = [check, messages.Flush()]
    assert not engine.application.is_quick(requests)
    engine.application.prepare(requests)
    assert engine.application.is_quick(requests)


def test_check_tx_is_answered_before_init_chain():
    fresh = empty_application()
    request = messages.CheckTx(encode(create(ALICE)))
    assert fresh.answer(request, owner=9) == messages.TxResult(0)


def test_a_refusal_says_why_in_at_most_300_characters(engine):
    log = engine.ask(messages.CheckTx(b'"' + b"x" * 5_000)).log
    assert log.startswith("MalformedTransaction: ")
    assert len(log) <= 300


def test_an_accepted_transaction_is_answered_with_nothing_but_the_code(engine):
    results, _ = engine.deliver(encode(create(ALICE)))
    assert list(results) == [messages.TxResult(0, "")]


# The rest


def test_routine_requests_are_answered_too(engine):
    assert engine.ask(messages.Flush()) == messages.Done()
    assert engine.ask(messages.Echo("hi")) == messages.EchoAnswer("hi")
    txs = (b"a", b"b")
    proposal = engine.ask(messages.PrepareProposal(10**6, txs))
    assert list(proposal.txs) == list(txs)
    assert engine.ask(messages.ProcessProposal()) == messages.Done()


def test_an_unknown_request_is_a_failure(engine):
    assert_failure(engine.ask(messages.Unknown(99)))


def test_an_error_of_the_store_is_nobodys_answer(engine):
    class DiskFull(Exception):
        pass

    class FullStore(MemoryStore):
        def append(self, block):
            raise DiskFull

    engine = new_engine(store=FullStore(), whole=engine.whole)
    engine.deliver(encode(create(ALICE)))
    with pytest.raises(DiskFull):
        engine.ask(COMMIT)
    assert engine.application.height == 0


def test_the_chain_of_the_store_is_taken_up():
    store = MemoryStore()
    store.begin_chain(Chain(CHAIN_ID, 1, "ab" * 32, 4, TIME, ()))
    fresh = Application(store, CandidateCache(0), version="0")
    answer = fresh.answer(finalize(4), owner=1)
    assert answer == messages.FinalizeBlockAnswer([], b"ab" * 32)


def test_a_refusal_that_the_reference_would_not_make_is_warned_of():
    said: list[str] = []
    store = MemoryStore()
    application = Application(store, CandidateCache(0), version="0", warn=said.append)
    engine = Engine(application, store)
    engine.init_chain()
    engine.block(b"no", b"[" * 500 + b"]" * 500)
    (warning,) = said
    assert "block 1" in warning and "(NestingTooDeep)" in warning


def test_checks_are_remembered_at_the_height_of_the_tip(engine):
    engine.block()
    good = create(ALICE)
    engine.ask(messages.CheckTx(encode(good)))
    assert engine.application.recent_checks.newest(good["id"]).height == 1
