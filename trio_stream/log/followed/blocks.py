"""Blocks and transactions as they were followed, read back from the log."""

from __future__ import annotations

from typing import Any, NamedTuple

import apsw

from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.events import Event, Spelling
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.results import BlockResults, TxResult, read_results
from trio_stream.log.followed.bodies import joined, unpack
from trio_stream.log.rows import row, rows
from trio_stream.stream.position import END_OF_BLOCK, key_of

SPELLINGS = (Spelling.PLAIN, Spelling.BASE64)
"""By the column base64."""


class FollowedTransaction(NamedTuple):
    """A transaction with its result, read without its block."""

    tx: str
    """Its bytes in base64."""
    result: TxResult


def read_block_at(connection: apsw.Connection, height: int) -> FollowedBlock | None:
    """A block with all its transactions; None if the log doesn't have it."""
    found = row(
        connection,
        "SELECT base64, body FROM blocks JOIN block_bodies USING (height) WHERE height = ?",
        height,
    )
    if found is None:
        return None
    base64, body = found
    bodies = rows(
        connection,
        "SELECT body FROM transaction_bodies WHERE position BETWEEN ? AND ?"
        " ORDER BY position",
        key_of(height, 0),
        key_of(height, END_OF_BLOCK),
    )
    raw_block, raw_results = joined(body, (each for (each,) in bodies))
    results = read_results(raw_results, forced=SPELLINGS[base64])
    return FollowedBlock(read_block(raw_block), results, raw_block, raw_results)


def read_bare_results(base64: int, body: bytes) -> BlockResults:
    """What became of a block, without its transactions, of its own body."""
    _, raw_results, _ = unpack(body)
    return read_results(raw_results, forced=SPELLINGS[base64])


def block_events(results: BlockResults) -> tuple[Event, ...]:
    """The events that are no transaction's."""
    return tuple(event for _, event in results.block_events())


def read_transaction(base64: int, body: bytes) -> FollowedTransaction:
    """A transaction of its own body."""
    tx, raw_result = unpack(body)
    # As if it were alone in its block: there is one reader of results.
    alone: dict[str, Any] = {"height": "1", "txs_results": [raw_result]}
    results = read_results(alone, forced=SPELLINGS[base64])
    return FollowedTransaction(tx, results.txs[0])
