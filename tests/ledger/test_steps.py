"""A block's steps, to whom it belongs, and what it leaves."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode
from tests.ledger.chains import (
    ALICE,
    CHAIN_ID,
    TIME,
    Engine,
    MemoryStore,
    new_engine,
)
from trio_stream.abci import messages
from trio_stream.ledger import steps
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import next_app_hash
from trio_stream.transactions.candidate import CandidateCache

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


def test_init_chain_drops_a_block_in_progress(engine):
    engine.deliver()
    engine.init_chain()
    assert_failure(engine.ask(COMMIT), "outside of a block")


@pytest.mark.parametrize("step", [begin(1), finalize(1)])
def test_an_engine_that_was_there_before_the_chain_has_no_block_of_it(step):
    engine = new_engine()
    begun = messages.InitChain(TIME, CHAIN_ID, (), b"", 1, signed=True)
    assert isinstance(engine.ask(begun, owner=5), messages.InitChainAnswer)
    assert_failure(engine.ask(step, owner=4), "before this chain began")
    assert engine.ask(step, owner=5) == new_engine().ask(step)
    assert engine.ask(step, owner=6) == new_engine().ask(step)


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
    monkeypatch.setattr(steps, "MAX_TRANSACTIONS", 2)
    engine = new_engine()
    engine.deliver(b"1", b"2")
    engine.ask(begin(1))
    assert engine.ask(messages.DeliverTx(b"1")).code == 1
    assert engine.ask(messages.DeliverTx(b"2")).code == 1
    assert_failure(engine.ask(messages.DeliverTx(b"3")), "more than 2")
    assert_failure(engine.ask(finalize(1, b"1", b"2", b"3")), "more than 2")
    assert not isinstance(engine.ask(finalize(1, b"1", b"2")), messages.Failure)


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


def test_an_accepted_transaction_is_answered_with_nothing_but_the_code(engine):
    results, _ = engine.deliver(encode(create(ALICE)))
    assert list(results) == [messages.TxResult(0, "")]


def test_a_refusal_that_the_reference_would_not_make_is_warned_of():
    said: list[str] = []
    store = MemoryStore()
    application = Application(store, CandidateCache(0), version="0", warn=said.append)
    engine = Engine(application, store)
    engine.init_chain()
    engine.block(b"no", b"[" * 500 + b"]" * 500)
    (warning,) = said
    assert "block 1" in warning and "(NestingTooDeep)" in warning
