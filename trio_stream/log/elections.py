"""How an election stands, for those who hold it.

The view `v1_elections` says it, so that a program which reads the file gets the same answer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.rows import is_id, newest_block, row, validators_by
from trio_stream.transactions.elections import Validator

_MOVED: Final = "-migrated-at-height-"


class Successor(NamedTuple):
    """The chain that follows this one, once a migration has concluded."""

    chain_id: str
    app_hash: str
    """Of the newest block, which the new chain begins with."""
    validators: list[Validator]


class Standing(NamedTuple):
    """An election after the newest block."""

    operation: str
    height: int
    tokens: int
    """All that it handed out."""
    votes: int
    concluded_height: int | None
    status: str
    """BigchainDB's word: `concluded`, `inconclusive` (the validators have changed), `ongoing`."""
    successor: Successor | None = None


def standing(election_id: str, connection: apsw.Connection) -> Standing | None:
    """How the election with this id stands; None if there is none."""
    if not is_id(election_id):
        return None
    sql = (
        "SELECT operation, height, tokens, votes, concluded_height, status"
        " FROM v1_elections WHERE id = ?"
    )
    found = row(connection, sql, election_id)
    if found is None:
        return None
    election = Standing(*found)
    if election.concluded_height is None:
        return election
    if election.operation != "CHAIN_MIGRATION_ELECTION":
        return election
    next_chain = _successor(connection, election.concluded_height)
    return election._replace(successor=next_chain)


def _successor(connection: apsw.Connection, concluded: int) -> Successor:
    chain = row(connection, "SELECT chain_id FROM chain")
    tip = newest_block(connection)
    assert chain is not None
    assert tip is not None
    # The reference counts up to the block before the one that decided.
    chain_id = f"{chain[0].partition(_MOVED)[0]}{_MOVED}{concluded - 1}"
    validators = validators_by(connection, MAX_HEIGHT + 1)
    return Successor(chain_id, tip.app_hash, [Validator(*each) for each in validators])
