"""The committed state as validation asks for it."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, new_engine
from tests.voting import GENESIS, KEYS, NEWCOMER, SET, election, key_of, migration, vote
from trio_stream.ledger.elections import Election
from trio_stream.log.errors import CommitLogError, LogDamaged
from trio_stream.log.file import open_for_reading, run
from trio_stream.log.view import StoredView
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.rules import SpendableOutput

ASSET = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)])
MOVED = transfer(ASSET, BOB, output_index=1)


@pytest.fixture
def view(tmp_path):
    with CommitLog.open(tmp_path) as log:
        new_engine(store=log).block(encode(ASSET), encode(MOVED))
        connection = open_for_reading(log.path)
        yield StoredView(connection, log.path)
        connection.close()


def test_what_is_committed_is_seen(view):
    assert view.has_transaction(ASSET["id"])
    assert view.has_transaction(MOVED["id"])
    uri = ASSET["outputs"][1]["condition"]["uri"]
    assert view.output(ASSET["id"], 1) == SpendableOutput(ASSET["id"], 2, uri)
    assert view.output(MOVED["id"], 0).asset_id == ASSET["id"]


def test_an_output_is_spent_by_one_transaction_or_none(view):
    assert view.spender(ASSET["id"], 1) == MOVED["id"]
    assert view.spender(ASSET["id"], 0) is None
    assert view.spender(MOVED["id"], 0) is None


def test_a_steady_view_answers_the_same(view):
    for _ in range(2):
        with view.steady():
            for output in (ASSET["id"], 0), (ASSET["id"], 1), (MOVED["id"], 0):
                spent = output == (ASSET["id"], 1)
                assert view.output(*output) is not None
                assert view.spender(*output) == (MOVED["id"] if spent else None)
            assert view.output(MOVED["id"], 1) is None
            assert view.spender(ASSET["id"], 1) == MOVED["id"]
        assert not view.connection.in_transaction


def test_what_a_steady_view_knew_is_asked_again_after_it(tmp_path):
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.block(encode(ASSET))
        with log.steady():
            assert log.output(ASSET["id"], 1) is not None
            assert log.spender(ASSET["id"], 1) is None
        engine.block(encode(MOVED))
        assert log.spender(ASSET["id"], 1) == MOVED["id"]


def test_an_error_ends_a_steady_view(tmp_path):
    with CommitLog.open(tmp_path) as log:
        with pytest.raises(ZeroDivisionError), log.steady():
            raise ZeroDivisionError
        new_engine(store=log).block(encode(ASSET))
        with pytest.raises(ZeroDivisionError), log.steady():
            run(log.connection, "ROLLBACK")  # as SQLite does after some errors
            raise ZeroDivisionError


@pytest.mark.parametrize("text", ["", "0" * 64, "A" * 64, "\ud800", "0" * 10**6])
def test_any_text_may_be_asked_for_as_an_id(view, text):
    assert not view.has_transaction(text)
    assert view.output(text, 0) is None
    assert view.spender(text, 0) is None


@pytest.mark.parametrize("index", [-1, 2, 2**26, 2**31, 2**63, 2**64 - 1])
def test_any_number_may_be_asked_for_as_an_index(view, index):
    assert view.output(ASSET["id"], index) is None
    assert view.spender(ASSET["id"], index) is None


def test_a_look_up_that_fails_is_an_error_of_the_log(tmp_path):
    with CommitLog.open(tmp_path) as log:
        run(log.connection, "DROP TABLE outputs")
        with pytest.raises(CommitLogError, match="cannot read"):
            log.output("0" * 64, 0)


OPENED = election(power=5)
MOVING = migration()


def test_elections_are_seen_with_what_was_counted(tmp_path):
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        assert log.validators() == []
        assert log.validators_since(9) == 0
        engine.init_chain(validators=GENESIS)
        engine.block(encode(OPENED), encode(MOVING), encode(ASSET))
        assert log.validators() == SET
        assert log.election(OPENED["id"]) == Election(1, "VALIDATOR_ELECTION", 40, 0)
        engine.block(*(encode(vote(OPENED, key)) for key in KEYS[:3]))
        assert log.election(OPENED["id"]).votes == 30
        assert log.body(OPENED["id"]) == encode(OPENED)
        assert log.validators() == [*SET, Validator("ed25519", key_of(NEWCOMER), 5)]
        assert [log.validators_since(height) for height in range(5)] == [0, 1, 1, 3, 3]
        for other in ASSET["id"], "0" * 64, "\ud800":
            assert log.election(other) is None
        log.below = 2
        assert log.election(OPENED["id"]).votes == 0
        assert log.validators() == SET
        log.below = 1
        assert log.election(OPENED["id"]) is None


def test_a_migration_is_seen_once_it_has_concluded(tmp_path):
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.init_chain(validators=GENESIS)
        engine.block(encode(OPENED), encode(MOVING))
        engine.block(*(encode(vote(OPENED, key)) for key in KEYS[:3]))
        engine.block(*(encode(vote(MOVING, key)) for key in KEYS[:2]))
        assert not log.is_migrating()
        engine.block(encode(vote(MOVING, KEYS[2])))
        assert not log.is_migrating()  # the validators have changed since


def test_a_migration_is_seen_below_a_height(tmp_path):
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.init_chain(validators=GENESIS)
        engine.block(encode(MOVING))
        engine.block(*(encode(vote(MOVING, key)) for key in KEYS[:3]))
        assert log.is_migrating()
        log.below = 2
        assert not log.is_migrating()


def test_a_sum_of_votes_may_be_larger_than_any_integer_of_the_log(tmp_path):
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.init_chain(validators=GENESIS)
        most = 9 * 10**18
        tokens = [(KEYS[0], most), (KEYS[1], most), *((key, 10) for key in KEYS)]
        opened = election(recipients=tokens)
        engine.block(encode(opened))
        assert log.election(opened["id"]).tokens == 2 * most + 40
        engine.block(*(encode(vote(opened, key)) for key in KEYS[:2]))
        assert log.election(opened["id"]).votes == 2 * most
        assert len(log.validators()) == 5


@pytest.mark.parametrize(
    "ask",
    [
        lambda log: log.validators(),
        lambda log: log.validators_since(1),
        lambda log: log.election(OPENED["id"]),
        lambda log: log.is_migrating(),
    ],
)
def test_a_question_about_elections_that_fails_is_an_error_of_the_log(tmp_path, ask):
    with CommitLog.open(tmp_path) as log:
        new_engine(store=log).block(encode(create(ALICE)))
        run(log.connection, "DROP TABLE tallies; DROP TABLE validators")
        run(log.connection, "DROP TABLE transactions")
        with pytest.raises(CommitLogError, match="cannot read"):
            ask(log)


@pytest.mark.parametrize("text", ["0" * 64, "no id"])
def test_a_body_that_is_missing_is_damage(view, text):
    with pytest.raises(LogDamaged, match="is missing"):
        view.body(text)
