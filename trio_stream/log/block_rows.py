"""The rows of blocks: how they are made of what a block holds, and how they are inserted.

The writer inserts one block at a time; who rebuilds a log from its transactions inserts many.
Everything here happens inside a transaction of the caller's, and errors of SQLite are left to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import apsw

from trio_stream.ledger.block import (
    AcceptedTransaction,
    Chain,
    RefusedTransaction,
    Tally,
)
from trio_stream.log.rows import Row, position_key
from trio_stream.transactions.elections import Validator

_Placed = Sequence[tuple[int, AcceptedTransaction]]
"""Transactions with their positions."""


class AcceptedRows(NamedTuple):
    """What the tables hold of accepted transactions: plain values, in the chain's order."""

    transactions: Iterable[Row]
    bodies: Iterable[Row]
    outputs: Iterable[Row]
    """Without what spends them."""
    keys: Iterable[Row]
    texts: Iterable[Row]
    spends: Sequence[Row]
    """Position of the transaction that spends, index of the output, id of its transaction."""


def accepted_rows(height: int, accepted: Sequence[AcceptedTransaction]) -> AcceptedRows:
    """The rows of transactions that the block of this height accepted; to be read once."""
    placed = [(position_key(height, each.index), each) for each in accepted]
    return AcceptedRows(
        _transaction_rows(placed),
        ((at, each.raw) for at, each in placed),
        _output_rows(placed),
        _key_rows(placed),
        _text_rows(placed),
        list(_spends(placed)),
    )


def insert_accepted(connection: apsw.Connection, rows: AcceptedRows) -> bool:
    """Insert them; False if an output that they spend does not exist, or is already spent."""
    many = connection.executemany
    many("INSERT INTO transactions VALUES (?, ?, ?, ?, ?)", rows.transactions)
    many("INSERT INTO bodies VALUES (?, ?)", rows.bodies)
    many("INSERT INTO outputs VALUES (?, ?, ?, ?, NULL)", rows.outputs)
    many("INSERT INTO keys VALUES (?, ?, ?, ?)", rows.keys)
    many("INSERT INTO texts (rowid, asset, metadata) VALUES (?, ?, ?)", rows.texts)
    # After the inserts, because a transaction may spend an output of its own block.
    before = connection.total_changes()
    many(
        "UPDATE outputs SET spent_by = ? WHERE output_index = ? AND spent_by IS NULL"
        " AND position = (SELECT position FROM transactions WHERE id = ?)",
        rows.spends,
    )
    return connection.total_changes() - before == len(rows.spends)


def insert_refused(
    connection: apsw.Connection, height: int, refused: Iterable[RefusedTransaction]
) -> None:
    """Insert the transactions that the block of this height refused."""
    connection.executemany(
        "INSERT INTO refused VALUES (?, ?, ?, ?, ?)",
        (
            (
                position_key(height, each.index),
                each.sha256,
                each.transaction_id,
                each.error,
                each.reason,
            )
            for each in refused
        ),
    )


def insert_tallies(
    connection: apsw.Connection, height: int, tallies: Iterable[Tally]
) -> None:
    """Insert what had been counted by the end of the block of this height."""
    connection.executemany(
        "INSERT INTO tallies SELECT position, ?, ?, ? FROM transactions WHERE id = ?",
        (
            (height, str(each.votes), int(each.concluded), each.election_id)
            for each in tallies
        ),
    )


def insert_chain(connection: apsw.Connection, chain: Chain) -> None:
    """Insert the chain that the log begins with, and its first validators."""
    connection.execute(
        "INSERT INTO chain VALUES (1, ?, ?, ?, ?, ?, ?)",
        (
            chain.chain_id,
            chain.rules,
            chain.start_hash,
            chain.initial_height,
            *chain.genesis_time,
        ),
    )
    insert_validators(connection, chain.initial_height, chain.validators)


def insert_validators(
    connection: apsw.Connection, height: int, validators: Iterable[Validator]
) -> None:
    """Insert the set that is in force from this height on."""
    connection.executemany(
        "INSERT INTO validators VALUES (?, ?, ?, ?, ?)",
        ((height, place, *each) for place, each in enumerate(validators)),
    )


def _transaction_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        asset_id = each.asset_id if each.asset_id != each.id else None
        yield at, each.id, asset_id, each.operation, each.sha256


def _output_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        for index, (amount, condition_uri) in enumerate(each.outputs):
            yield at, index, amount, condition_uri


def _key_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        for public_key, output_index, stands in each.keys:
            yield public_key, at, output_index, stands


def _text_rows(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        if any(each.text):
            yield at, *each.text


def _spends(placed: _Placed) -> Iterator[Row]:
    for at, each in placed:
        for transaction_id, output_index in each.spends:
            yield at, output_index, transaction_id
