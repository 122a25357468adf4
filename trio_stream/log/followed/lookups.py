"""What the log of a followed chain says when it is asked for one thing: a block, a transaction."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import apsw

from trio_stream.abci.messages import Time
from trio_stream.cometbft.followed import Gap
from trio_stream.feeds.messages import TxHead, block_text, transaction_text
from trio_stream.log.followed.blocks import read_bare_results, read_transaction
from trio_stream.log.followed.bodies import unpack
from trio_stream.log.followed.keep import used_bytes
from trio_stream.log.followed.replay import block_head
from trio_stream.log.followed.rows import gap_at, newest, newest_with
from trio_stream.log.rows import row, rows
from trio_stream.stream.position import END_OF_BLOCK, Position, key_of
from trio_stream.stream.selection import Form

_BLOCK: Final = "height, blocks.hash, blocks.transactions, seconds, nanos"


class LogSummary(NamedTuple):
    """What a log of a followed chain holds."""

    chain_id: str
    """Empty before the chain is known."""
    first: int
    """Where it began."""
    oldest: int
    """The oldest height that is still there."""
    tip: int
    """The newest; one below the oldest if there is none."""
    block_time: Time | None
    """In the header of the newest block; None if a gap is newer, or nothing is there."""
    gaps: int
    missing: int
    """Heights in these gaps."""
    used_bytes: int
    """Of the file; what is free is used before it grows."""


def summary(connection: apsw.Connection) -> LogSummary:
    """What the log holds."""
    found = row(connection, "SELECT chain_id, first, oldest FROM chain")
    chain_id, first, oldest = found or ("", 0, 1)
    tip = newest(connection).height
    sql = "SELECT seconds, nanos FROM blocks WHERE height = ?"
    time = row(connection, sql, tip)
    counted = row(
        connection, "SELECT count(*), coalesce(sum(last - first + 1), 0) FROM gaps"
    )
    gaps, missing = counted or (0, 0)
    return LogSummary(
        chain_id=chain_id,
        first=first,
        oldest=oldest,
        tip=tip,
        block_time=Time(*time) if time else None,
        gaps=gaps,
        missing=missing,
        used_bytes=used_bytes(connection),
    )


def read_block_text(connection: apsw.Connection, height: int) -> bytes | Gap | None:
    """The message of a block, with its header and the hashes of its transactions.

    A gap if it is missing, None if the log doesn't reach there or not any more.
    """
    found = row(
        connection,
        f"SELECT base64, body, {_BLOCK} FROM blocks JOIN block_bodies USING (height)"
        " WHERE height = ?",
        height,
    )
    if found is None:
        return gap_at(connection, height)
    base64, body, *block = found
    phased = [*read_bare_results(base64, body).block_events()]
    sql = "SELECT hex(hash) FROM transactions WHERE position BETWEEN ? AND ? ORDER BY position"
    span = key_of(height, 0), key_of(height, END_OF_BLOCK)
    raw_block: dict[str, Any] = unpack(body)[0]
    more = {
        "header": raw_block["block"]["header"],
        "tx_hashes": [digest for (digest,) in rows(connection, sql, *span)],
    }
    text = block_text(block_head(*block), phased, Form.FULL)
    return b"%b, %b" % (text[:-1], json.dumps(more).encode("ascii")[1:])


def read_transaction_text(connection: apsw.Connection, digest: bytes) -> bytes | None:
    """The message of the newest transaction with this hash, with all that is known of it."""
    key = newest_with(connection, digest)
    if key is None:
        return None
    position = Position.of_key(key)
    stored = row(
        connection,
        f"SELECT base64, body, {_BLOCK} FROM transaction_bodies CROSS JOIN blocks"
        " WHERE position = ? AND height = ?",
        key,
        position.height,
    )
    assert stored is not None  # it belongs to the row
    base64, body, *block = stored
    tx, result = read_transaction(base64, body)
    head = TxHead(block_head(*block), position.index, digest.hex().upper())
    return transaction_text(head, tx, result, Form.FULL)
