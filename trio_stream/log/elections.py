"""How an election stands, for those who hold it.

The view `v1_elections` says it, so that a program which reads the file gets the same answer.
"""

from __future__ import annotations

from typing import NamedTuple

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.ledger.moving import Ended
from trio_stream.log.moves import chain_in_force
from trio_stream.log.rows import is_id, newest_block, row, validators_by
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.structure import CHAIN_MIGRATION_ELECTION


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
    """BigchainDB's word: `concluded`, `ongoing`, or `inconclusive`.

    That is, the validators have changed since, or another chain has gone on.
    """
    successor: Successor | None = None
    """Of a migration for which no other chain has gone on yet."""


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
    if election.operation != CHAIN_MIGRATION_ELECTION:
        return election
    next_chain = _successor(connection, election.concluded_height)
    return election._replace(successor=next_chain)


def _successor(connection: apsw.Connection, concluded: int) -> Successor | None:
    """None once another chain has gone on with the log."""
    chain, tip = chain_in_force(connection), newest_block(connection)
    assert chain is not None
    assert tip is not None
    if concluded < chain.initial_height:
        return None
    ended = Ended(chain.chain_id, tip.height, concluded)
    validators = validators_by(connection, MAX_HEIGHT + 1)
    return Successor(
        ended.next_chain_id, tip.app_hash, [Validator(*each) for each in validators]
    )
