"""The committed state as validation asks for it."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, new_engine
from trio_stream.log.errors import CommitLogError
from trio_stream.log.file import open_for_reading, run
from trio_stream.log.view import StoredView
from trio_stream.log.writer import CommitLog
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
