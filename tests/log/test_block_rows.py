"""The rows of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import (
    AcceptedTransaction,
    Chain,
    RefusedTransaction,
    Tally,
)
from trio_stream.log.block_rows import (
    accepted_rows,
    insert_accepted,
    insert_chain,
    insert_refused,
    insert_tallies,
    insert_validators,
)
from trio_stream.log.file import SCHEMA, run
from trio_stream.log.rows import position_key, rows, stored_chain
from trio_stream.transactions.elections import Validator

ONE = AcceptedTransaction(
    0,
    b"1",
    b"{}",
    "1" * 64,
    "1" * 64,
    "CREATE",
    [(5, "uri")],
    [],
    [("key", 0, 1)],
    ("a", None),
)
TWO = AcceptedTransaction(
    2,
    b"2",
    b"[]",
    "2" * 64,
    "1" * 64,
    "TRANSFER",
    [],
    [("1" * 64, 0)],
    [],
    (None, None),
)


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    with closing(apsw.Connection(":memory:")) as connection:
        run(connection, SCHEMA.read_text(encoding="utf-8"))
        yield connection


def test_what_a_block_accepted(connection: apsw.Connection) -> None:
    one, two = position_key(7, 0), position_key(7, 2)
    assert insert_accepted(connection, accepted_rows(7, [ONE, TWO]))
    assert rows(connection, "SELECT * FROM transactions") == [
        (one, "1" * 64, None, "CREATE", b"1"),
        (two, "2" * 64, "1" * 64, "TRANSFER", b"2"),
    ]
    assert rows(connection, "SELECT * FROM bodies") == [(one, b"{}"), (two, b"[]")]
    assert rows(connection, "SELECT * FROM outputs") == [(one, 0, 5, "uri", two)]
    assert rows(connection, "SELECT * FROM keys") == [("key", one, 0, 1)]
    assert rows(connection, "SELECT rowid FROM texts WHERE texts MATCH 'a'") == [(one,)]


def test_an_output_is_spent_once(connection: apsw.Connection) -> None:
    assert insert_accepted(connection, accepted_rows(7, [ONE, TWO]))
    again = TWO._replace(id="3" * 64)
    assert not insert_accepted(connection, accepted_rows(8, [again]))


def test_what_a_block_refused(connection: apsw.Connection) -> None:
    refused = RefusedTransaction(3, b"x", None, "DoubleSpend", "spent")
    insert_refused(connection, 7, [refused])
    assert rows(connection, "SELECT * FROM refused") == [
        (position_key(7, 3), b"x", None, "DoubleSpend", "spent")
    ]


def test_tallies_and_validators(connection: apsw.Connection) -> None:
    assert insert_accepted(connection, accepted_rows(7, [ONE]))
    insert_tallies(connection, 9, [Tally("1" * 64, 1 << 70, True)])
    insert_validators(connection, 10, [Validator("ed25519", b"k", 3)])
    assert rows(connection, "SELECT * FROM tallies") == [
        (position_key(7, 0), 9, str(1 << 70), 1)
    ]
    assert rows(connection, "SELECT * FROM validators") == [(10, 0, "ed25519", b"k", 3)]


def test_the_chain_that_a_log_begins_with(connection: apsw.Connection) -> None:
    members = (Validator("ed25519", b"k" * 32, 3), Validator("ed25519", b"l" * 32, 1))
    chain = Chain("a chain", 1, "", 7, Time(-5, 6), members)
    insert_chain(connection, chain)
    assert stored_chain(connection) == chain
