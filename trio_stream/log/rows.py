"""Rows of the log: the integer that orders them, how they are read, columns that many reads need.

One integer stands for a transaction in every table: the key of its position (`stream.position`).
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import MAX_HEIGHT, Chain, Tip
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.ids import ID

Row = tuple[Any, ...]

HEIGHT: Final = f"(position >> {INDEX_BITS})"
INDEX: Final = f"(position & {END_OF_BLOCK})"
EVENT: Final = f"{HEIGHT}, {INDEX}, coalesce(asset_id, id), id, sha256"
"""Columns of `transactions`: the members of a `CommitEvent`, but for the operation."""
REFUSAL: Final = f"{HEIGHT}, {INDEX}, transaction_id, sha256, error, reason"
"""Columns of `refused`: the members of a `RefusalEvent`."""


def position_key(height: int, index: int) -> int:
    """The one integer by which the log knows a transaction; it orders as positions do."""
    if height > MAX_HEIGHT:
        return (MAX_HEIGHT + 1) << INDEX_BITS
    return max(height, 0) << INDEX_BITS | min(max(index, 0), END_OF_BLOCK)


def is_id(text: str) -> bool:
    """Whether a row may have this id; SQLite can't even bind text with a lone surrogate."""
    return ID.fullmatch(text) is not None


def rows(connection: apsw.Connection, sql: str, *bindings: object) -> list[Row]:
    """All rows, and the statement is finished: one left open would hold up checkpoints."""
    return connection.execute(sql, bindings).fetchall()


def row(connection: apsw.Connection, sql: str, *bindings: object) -> Row | None:
    """The first row; None if there is none."""
    found = rows(connection, sql, *bindings)
    return found[0] if found else None


def validators_by(connection: apsw.Connection, height: int) -> list[Row]:
    """Key type, key and power of each validator in the newest set up to `height`."""
    sql = (
        "SELECT key_type, key, power FROM validators WHERE height ="
        " (SELECT max(height) FROM validators WHERE height <= ?) ORDER BY place"
    )
    return rows(connection, sql, height)


def stored_chain(connection: apsw.Connection) -> Chain | None:
    """What InitChain decided; None before it."""
    found = row(
        connection,
        "SELECT chain_id, rules, start_hash, initial_height, genesis_seconds,"
        " genesis_nanos FROM chain",
    )
    if found is None:
        return None
    chain_id, rules, start_hash, initial_height, *genesis = found
    validators = validators_by(connection, initial_height)
    return Chain(
        chain_id,
        rules,
        start_hash,
        initial_height,
        Time(*genesis),
        tuple(Validator(*each) for each in validators),
    )


def newest_block(connection: apsw.Connection) -> Tip | None:
    """The newest block; None before the first."""
    sql = "SELECT height, app_hash FROM blocks ORDER BY height DESC LIMIT 1"
    found = row(connection, sql)
    return Tip(*found) if found else None
