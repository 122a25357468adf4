"""Where the log begins and ends, and what is at a place from which a subscriber resumes.

Resuming starts with a question about one place, a position or a transaction's id: does it exist,
what is there, and where does the log begin and end at the same moment.
"""

from __future__ import annotations

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.lookups import position_of
from trio_stream.log.rows import is_id, newest_block, position_key, row
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks


def landmarks(place: Position | str | None, connection: apsw.Connection) -> Landmarks:
    """Where the log begins and ends, and what is at a position or a transaction's id."""
    chain = row(connection, "SELECT chain_id, initial_height, start_hash FROM chain")
    if chain is None:
        return Landmarks()
    chain_id, oldest, start_hash = chain
    tip = newest_block(connection)
    found = None
    if isinstance(place, str):
        found = _transaction(place, connection)
    elif place is not None:
        found = Found(place, _fingerprint(place, connection))
    return Landmarks(
        chain=chain_id,
        oldest=oldest,
        start_hash=start_hash,
        tip=tip.height if tip else 0,
        tip_hash=tip.app_hash if tip else "",
        found=found,
    )


def _transaction(transaction_id: str, connection: apsw.Connection) -> Found | None:
    if not is_id(transaction_id):
        return None
    committed = position_of(transaction_id, connection)
    if committed is not None:
        return Found(Position.of_key(committed), transaction_id)
    sql = "SELECT max(position) FROM refused WHERE transaction_id = ?"
    refused = row(connection, sql, transaction_id)
    if refused and refused[0] is not None:
        return Found(Position.of_key(refused[0]), transaction_id, committed=False)
    return None


def _fingerprint(place: Position, connection: apsw.Connection) -> str | None:
    """What identifies the place: an app hash, an id or a hash; None if nothing is there."""
    if place.is_end_of_block:
        # SQLite binds no integer beyond 63 bits.
        height = min(place.height, MAX_HEIGHT + 1)
        found = row(connection, "SELECT app_hash FROM blocks WHERE height = ?", height)
        return found[0] if found else None
    key = position_key(*place)
    found = row(
        connection,
        "SELECT id FROM transactions WHERE position = ?1 UNION ALL"
        " SELECT coalesce(transaction_id, lower(hex(sha256))) FROM refused"
        " WHERE position = ?1",
        key,
    )
    return found[0] if found else None
