"""What blocks committed and refused: blocks as the channel reads them, and one transaction.

The rows of the log become the values that live messages are made of. Who is behind the channel
reads `log_replay`'s pages instead.
"""

from __future__ import annotations

from itertools import islice, starmap
from typing import Final

import apsw

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import INDEX_BITS, MAX_TRANSACTIONS
from trio_stream.log.view import Row, is_id, position_key, row, rows
from trio_stream.stream.events import CommitEvent, CommittedBlock, Outcome, RefusalEvent

EVENT_BYTES: Final = 200
"""About what an event takes when it is encoded; `max_bytes` counts it so."""
BLOCKS_PER_READ: Final = 10_000
"""Empty blocks cost no bytes, but looking at them does."""

_PLACE: Final = f"position >> {INDEX_BITS}, position & {MAX_TRANSACTIONS}"
_EVENT: Final = f"{_PLACE}, coalesce(asset_id, id), id, sha256, operation"
_REFUSAL: Final = f"{_PLACE}, transaction_id, sha256, error, reason"


def blocks_after(
    height: int, max_bytes: int, connection: apsw.Connection
) -> list[CommittedBlock]:
    """The blocks above `height`, oldest first: the first whole, and more up to `max_bytes`."""
    chosen = _within(height, max_bytes, connection)
    if not chosen:
        return []
    span = position_key(chosen[0][0], 0), position_key(chosen[-1][0], MAX_TRANSACTIONS)
    between = "WHERE position BETWEEN ? AND ? ORDER BY position"
    committed = rows(connection, f"SELECT {_EVENT} FROM transactions {between}", *span)
    refused = rows(connection, f"SELECT {_REFUSAL} FROM refused {between}", *span)
    events, refusals = starmap(CommitEvent, committed), starmap(RefusalEvent, refused)
    return [
        CommittedBlock(
            height,
            app_hash,
            tuple(islice(events, accepted_count)),
            tuple(islice(refusals, refused_count)),
            Time(*time),
        )
        for height, app_hash, accepted_count, refused_count, *time in chosen
    ]


def _within(height: int, max_bytes: int, connection: apsw.Connection) -> list[Row]:
    """The blocks above `height` whose events take `max_bytes` together, but at least one."""
    blocks = connection.execute(
        "SELECT height, app_hash, accepted, refused, seconds, nanos FROM blocks"
        " WHERE height > ? ORDER BY height LIMIT ?",
        (height, BLOCKS_PER_READ),
    )
    chosen: list[Row] = []
    for block in blocks:
        _, _, accepted, refused, *_ = block
        max_bytes -= EVENT_BYTES * (accepted + refused)
        if chosen and max_bytes < 0:
            break
        chosen.append(block)
    blocks.close()
    return chosen


def outcome(transaction_id: str, connection: apsw.Connection) -> Outcome | None:
    """What became of this id: committed, or last refused."""
    if not is_id(transaction_id):
        return None
    sql = f"SELECT {_EVENT} FROM transactions WHERE id = ?"
    committed = row(connection, sql, transaction_id)
    if committed:
        return CommitEvent(*committed)
    sql = (
        f"SELECT {_REFUSAL} FROM refused WHERE transaction_id = ?"
        " ORDER BY position DESC LIMIT 1"
    )
    refused = row(connection, sql, transaction_id)
    return RefusalEvent(*refused) if refused else None
