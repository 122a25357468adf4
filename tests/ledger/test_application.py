"""What the state machine answers, and what it refuses to do."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import (
    ALICE,
    BOB,
    Engine,
    MemoryStore,
    new_engine,
)
from trio_stream.abci import messages, snapshot_messages
from trio_stream.ledger.application import Application
from trio_stream.ledger.snapshots import NoSnapshots, StateSync
from trio_stream.transactions.candidate import CandidateCache

COMMIT = messages.Commit()
ACCEPT = snapshot_messages.ChunkVerdict.ACCEPT


def assert_failure(answer, *named):
    assert isinstance(answer, messages.Failure), answer
    for text in named:
        assert text in answer.error


@pytest.fixture(params=[False, True], ids=["in steps", "whole"])
def engine(request):
    return new_engine(whole=request.param)


def empty_application():
    return Application(MemoryStore(), CandidateCache(0), version="7.1")


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


def test_checks_are_remembered_at_the_height_of_the_tip(engine):
    engine.block()
    good = create(ALICE)
    engine.ask(messages.CheckTx(encode(good)))
    assert engine.application.recent_checks.newest(good["id"]).height == 1


def test_a_restored_snapshot_moves_the_height_and_drops_the_block_in_progress(engine):
    source = new_engine(whole=True)
    source.block(encode(create(ALICE)))
    store = MemoryStore()

    class Restoring(NoSnapshots):
        def apply(self, index, chunk, sender):
            store.begun, store.blocks = source.memory.begun, source.memory.blocks
            return snapshot_messages.ApplyAnswer(ACCEPT)

    sync = StateSync(NoSnapshots(), Restoring(), pytest.fail)
    application = Application(store, CandidateCache(0), version="", state_sync=sync)
    joining = Engine(application, store, whole=engine.whole)
    joining.init_chain()
    joining.deliver(encode(create(BOB)))

    applied = joining.ask(snapshot_messages.ApplySnapshotChunk(0, b"", ""))
    assert applied == snapshot_messages.ApplyAnswer(ACCEPT)
    assert application.height == 1
    assert_failure(joining.ask(COMMIT), "outside of a block")
    joining.next_height = 2
    joining.block(encode(create(BOB)))
    assert application.height == 2


def test_without_state_sync_no_snapshot_is_served_or_restored():
    fresh = empty_application()
    listed = fresh.answer(snapshot_messages.ListSnapshots(), owner=1)
    assert listed == snapshot_messages.SnapshotsAnswer(())
    applied = fresh.answer(snapshot_messages.ApplySnapshotChunk(0, b"", ""), owner=1)
    assert applied.verdict == snapshot_messages.ChunkVerdict.ABORT
    fresh.give_up()
