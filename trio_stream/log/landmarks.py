"""Places in the log, as subscribers name them; and what is in the transactions there.

Resuming starts with a question about one place: is there such a transaction, what stands
at this position, and where does the log begin and end at the same moment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.view import is_id, newest_block, position_key, row
from trio_stream.stream.matching import Contents
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks
from trio_stream.transactions.candidate import CandidateCache

# Without one the contents of a block would be read at once, and it may have 100 MiB.
_AT_ONCE = 64


def landmarks(place: Position | str | None, connection: apsw.Connection) -> Landmarks:
    """What the log says of itself, and of a position or a transaction's id."""
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
    sql = "SELECT position FROM transactions WHERE id = ?"
    committed = row(connection, sql, transaction_id)
    if committed:
        return Found(Position.of_key(committed[0]), transaction_id)
    sql = "SELECT max(position) FROM refused WHERE transaction_id = ?"
    refused = row(connection, sql, transaction_id)
    if refused and refused[0] is not None:
        return Found(Position.of_key(refused[0]), transaction_id, committed=False)
    return None


def _fingerprint(place: Position, connection: apsw.Connection) -> str | None:
    """What stands at a position: an app hash, or an id or a hash; None if nothing does."""
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


def contents(
    places: Sequence[Position],
    cache: CandidateCache,
    max_bytes: int,
    connection: apsw.Connection,
) -> dict[int, Contents]:
    """What the transactions at these places hold, by a position's key.

    Once they have `max_bytes` together, the rest is left out.
    """
    found: dict[int, Contents] = {}
    for first in range(0, len(places), _AT_ONCE):
        keys = json.dumps([position_key(*p) for p in places[first : first + _AT_ONCE]])
        bodies = connection.execute(
            "SELECT position, raw FROM json_each(?) AS wanted CROSS JOIN bodies"
            " ON position = wanted.value",
            (keys,),
        )
        for key, raw in bodies:
            max_bytes -= len(raw)
            if max_bytes < 0:
                bodies.close()
                return found
            named = _named_keys(raw, cache)
            if named is not None:
                found[key] = Contents(named, raw)
    return found


def _named_keys(raw: bytes, cache: CandidateCache) -> frozenset[str] | None:
    transaction = cache.examine(raw).transaction
    if transaction is None:
        return None
    return frozenset(
        key
        for part in (
            *(each.owners_before for each in transaction.inputs),
            *(each.public_keys for each in transaction.outputs),
        )
        for key in part
    )
