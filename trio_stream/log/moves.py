"""The chains that went on with a log after the one with which it began.

The table `chain` has the first; `moves` has a row for each that continued it, from its initial
height on. A row without a name says that the log was imported, and waits for the next one.
"""

from __future__ import annotations

from typing import Final

import apsw

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import MAX_HEIGHT, RULES, Chain, Continued
from trio_stream.log.rows import (
    Row,
    newest_block,
    row,
    rows,
    stored_chain,
    validators_by,
)
from trio_stream.transactions.elections import Validator

_CHAINS: Final = (
    "SELECT chain_id, rules, start_hash, initial_height, genesis_seconds,"
    " genesis_nanos, digest, app_hash FROM moves"
    " LEFT JOIN blocks ON height = initial_height - 1"
    " WHERE chain_id IS NOT NULL AND initial_height <= ? ORDER BY initial_height"
)


def chain_in_force(
    connection: apsw.Connection, height: int = MAX_HEIGHT
) -> Chain | None:
    """What the newest InitChain decided that counts at this height; None before the first."""
    found = row(connection, f"{_CHAINS} DESC LIMIT 1", height)
    return _chain(connection, found) if found else stored_chain(connection)


def later_chains(connection: apsw.Connection, height: int) -> list[Chain]:
    """The chains that continued the first, if they have begun up to this height, in order."""
    return [_chain(connection, each) for each in rows(connection, _CHAINS, height)]


def _chain(connection: apsw.Connection, found: Row) -> Chain:
    chain_id, rules, start_hash, initial_height, *genesis, digest, app_hash = found
    validators = validators_by(connection, initial_height)
    return Chain(
        chain_id,
        rules,
        start_hash,
        initial_height,
        Time(*genesis),
        tuple(Validator(*each) for each in validators),
        Continued(initial_height - 1, app_hash, digest),
    )


def insert_move(connection: apsw.Connection, chain: Chain, end: Continued) -> None:
    """Note a chain that goes on from there, in place of one without a block.

    The validators stay those in force: they must be the same.
    """
    connection.execute(
        "DELETE FROM moves WHERE initial_height >= ?", (chain.initial_height,)
    )
    connection.execute(
        "INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            chain.initial_height,
            chain.chain_id,
            chain.rules,
            chain.start_hash,
            *chain.genesis_time,
            end.digest,
        ),
    )


def is_imported(connection: apsw.Connection) -> bool:
    """Whether no chain has gone on with what was imported."""
    return row(connection, "SELECT 1 FROM moves WHERE chain_id IS NULL") is not None


def mark_imported(connection: apsw.Connection) -> None:
    """Have the log, which has blocks, wait for a chain that goes on with them."""
    tip = newest_block(connection)
    assert tip is not None
    connection.execute("DELETE FROM moves WHERE initial_height > ?", (tip.height,))
    connection.execute(
        "INSERT INTO moves VALUES (?, NULL, ?, ?, 0, 0, NULL)",
        (tip.height + 1, RULES, tip.app_hash),
    )


def follows_import(connection: apsw.Connection, height: int) -> bool:
    """Whether a chain went on from above this height, or waits to, where no migration concluded.

    What came before it was imported: no engine has it.
    """
    migrated = (
        "SELECT 1 FROM tallies JOIN transactions ON position = election"
        " WHERE height = initial_height - 1 AND concluded"
        " AND operation = 'CHAIN_MIGRATION_ELECTION'"
    )
    sql = (
        "SELECT 1 FROM moves WHERE initial_height > ?"
        f" AND (chain_id IS NULL OR NOT EXISTS ({migrated}))"
    )
    return row(connection, sql, height + 1) is not None


def forget_above(connection: apsw.Connection, height: int) -> None:
    """Take out the chains that went on from above this height, the log's newest from now on."""
    connection.execute("DELETE FROM moves WHERE initial_height > ?", (height + 1,))
