"""Where the log of a followed chain begins and ends, and what is at a place to resume from."""

from __future__ import annotations

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.followed.rows import gap_at, hash_of, newest, newest_with
from trio_stream.log.rows import row
from trio_stream.stream.position import Position, key_of
from trio_stream.stream.resume import Found, Landmarks


def landmarks(place: Position | str | None, connection: apsw.Connection) -> Landmarks:
    """Where the log begins and ends, and what is at a position or a transaction's hash."""
    chain = row(connection, "SELECT chain_id, oldest, before_oldest FROM chain")
    if chain is None:
        return Landmarks()
    chain_id, oldest, before = chain
    tip = newest(connection)
    is_empty = tip.height < oldest
    # None: a gap.
    tip_hash = "" if is_empty else None if tip.hash is None else tip.hash.hex()
    found = None
    if isinstance(place, str):
        found = _transaction(place, connection)
    elif place is not None:
        found = _found(place, connection)
    return Landmarks(
        chain=chain_id,
        oldest=oldest,
        start_hash=_written(before),
        tip=0 if is_empty else tip.height,
        tip_hash=tip_hash,
        found=found,
        is_cut=oldest > 1,
    )


def _transaction(tx_hash: str, connection: apsw.Connection) -> Found | None:
    """The newest transaction with this hash."""
    try:
        digest = bytes.fromhex(tx_hash)
    except ValueError:
        return None
    key = newest_with(connection, digest)
    if key is None:
        return None
    return Found(Position.of_key(key), digest.hex())


def _found(place: Position, connection: apsw.Connection) -> Found:
    """What is at a place: a hash; None if nothing is there, or nobody knows what is."""
    height = min(place.height, MAX_HEIGHT + 1)
    if gap_at(connection, height) is not None:
        return Found(place, None, is_missing=True)
    if place.is_end_of_block:
        found = hash_of(connection, height)
    else:
        sql = "SELECT hash FROM transactions WHERE position = ?"
        of = row(connection, sql, key_of(height, place.index))
        found = of[0] if of else None
    return Found(place, None if found is None else found.hex())


def _written(digest: bytes | None) -> str:
    return digest.hex() if digest else ""
