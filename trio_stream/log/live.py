"""What the channel reads of new blocks: their events, and what is in their transactions.

The rows of the log become the values that live messages are made of. Subscribers who are behind the
channel get pages of frames instead (`log.replay`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice, starmap
from typing import Final

import apsw

from trio_stream.abci.messages import Time
from trio_stream.log.rows import EVENT, REFUSAL, Row, position_key, rows
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.filters import Contents
from trio_stream.stream.position import END_OF_BLOCK, Position
from trio_stream.transactions.candidate import CandidateCache

EVENT_BYTES: Final = 200
"""About the size of an encoded event, by which `max_bytes` is counted."""
BLOCKS_PER_READ: Final = 10_000
"""Empty blocks count no bytes, but looking at them takes time."""

# Without a limit the contents of a block would be read at once, and it may have 100 MiB.
_AT_ONCE: Final = 64


def blocks_after(
    height: int, max_bytes: int, connection: apsw.Connection
) -> list[CommittedBlock]:
    """The blocks above `height`, oldest first: always the first, and more up to `max_bytes`."""
    chosen = _within(height, max_bytes, connection)
    if not chosen:
        return []
    span = position_key(chosen[0][0], 0), position_key(chosen[-1][0], END_OF_BLOCK)
    between = "WHERE position BETWEEN ? AND ? ORDER BY position"
    committed = rows(
        connection, f"SELECT {EVENT}, operation FROM transactions {between}", *span
    )
    refused = rows(connection, f"SELECT {REFUSAL} FROM refused {between}", *span)
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
    """The blocks above `height` whose events fit `max_bytes` together, but at least one."""
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


def contents(
    places: Sequence[Position],
    cache: CandidateCache,
    max_bytes: int,
    connection: apsw.Connection,
) -> dict[int, Contents]:
    """The contents of the transactions at these positions, by the positions' keys.

    Once they take `max_bytes` together, the rest is left out.
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
