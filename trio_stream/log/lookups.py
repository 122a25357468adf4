"""Look-ups of what is committed: outputs of a key, transactions of an asset, blocks, validators.

Each uses an index, and long answers come in pages, each a short read of its own that looks at a
bounded number of rows. All pages of an answer still show one state of the log: nothing in it ever
changes except that outputs are spent, so each page simply leaves out what was added or spent after
the block that was newest at the first page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.rows import (
    EVENT,
    REFUSAL,
    Row,
    is_id,
    newest_block,
    position_key,
    row,
    rows,
    validators_by,
)
from trio_stream.stream.events import CommitEvent, Outcome, RefusalEvent
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS

PAGE_OUTPUTS: Final = 2_000
"""Rows of a key that one page looks at, which takes a few milliseconds."""
PAGE_TRANSACTIONS: Final = 100
PAGE_BYTES: Final = 256 * 1024
"""A page ends with the transaction that reaches this size."""


class Cursor(NamedTuple):
    """Where a page begins: after this output or transaction; and the block's end it goes up to."""

    position: int
    output_index: int = END_OF_BLOCK
    up_to: int | None = None
    """None on the first page, which sets it."""


BEGINNING: Final = Cursor(-1)


class OutputsPage(NamedTuple):
    """Outputs as JSON objects in one text, separated as in an array."""

    text: str
    number: int
    next: Cursor | None


class TransactionsPage(NamedTuple):
    """Transactions as the engine gave them."""

    raws: Sequence[bytes]
    next: Cursor | None
    """None if nothing follows, and only then."""


def position_of(transaction_id: str, connection: apsw.Connection) -> int | None:
    """The position of a committed transaction."""
    if not is_id(transaction_id):
        return None
    sql = "SELECT position FROM transactions WHERE id = ?"
    found = row(connection, sql, transaction_id)
    return found[0] if found else None


def outcome(transaction_id: str, connection: apsw.Connection) -> Outcome | None:
    """What became of the transaction with this id: committed, or last refused."""
    if not is_id(transaction_id):
        return None
    sql = f"SELECT {EVENT}, operation FROM transactions WHERE id = ?"
    committed = row(connection, sql, transaction_id)
    if committed:
        return CommitEvent(*committed)
    sql = (
        f"SELECT {REFUSAL} FROM refused WHERE transaction_id = ?"
        " ORDER BY position DESC LIMIT 1"
    )
    refused = row(connection, sql, transaction_id)
    return RefusalEvent(*refused) if refused else None


def heights_with(transaction_id: str, connection: apsw.Connection) -> list[int]:
    """The heights of the blocks that hold a transaction: one, or none."""
    found = position_of(transaction_id, connection)
    return [] if found is None else [found >> INDEX_BITS]


def body(
    transaction_id: str, max_bytes: int, connection: apsw.Connection
) -> bytes | None:
    """A committed transaction as the engine gave it; empty if it has over `max_bytes`."""
    if not is_id(transaction_id):
        return None
    # A body that is too long is not even read: SQLite stores the length in front of it.
    sql = (
        "SELECT CASE WHEN length(raw) <= ?2 THEN raw ELSE x'' END"
        " FROM transactions JOIN bodies USING (position) WHERE id = ?1"
    )
    found = row(connection, sql, transaction_id, max_bytes)
    return found[0] if found else None


def block_page(
    height: int, after: Cursor, connection: apsw.Connection
) -> TransactionsPage | None:
    """A block's accepted transactions in order; None above the tip."""
    tip = newest_block(connection)
    if tip is None or height > tip.height:
        # Block 0 stands for InitChain, and is empty.
        begun = row(connection, "SELECT 1 FROM chain")
        return TransactionsPage([], None) if height == 0 and begun else None
    first = max(position_key(height, 0), after.position + 1)
    last = position_key(height, END_OF_BLOCK)
    sql = "SELECT position FROM bodies WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?"
    # One more than a page holds tells whether another page follows.
    found = rows(connection, sql, first, last, PAGE_TRANSACTIONS + 1)
    return _page(connection, found, PAGE_TRANSACTIONS)


def latest_validators(connection: apsw.Connection) -> list[Row]:
    """Key type, key and power of each validator in the newest set."""
    return validators_by(connection, MAX_HEIGHT + 1)


_OUTPUTS_END: Final = (
    "SELECT position, output_index FROM keys"
    " WHERE public_key = ? AND (position, output_index) > (?, ?) AND position <= ?"
    " ORDER BY position, output_index LIMIT 1 OFFSET ?"
)
# One text, because a row per output would cost Python more than SQLite's whole search. The text
# between two items is the separator, so that SQLite copies less.
_BEGIN: Final = '{"transaction_id": "'
_END: Final = "}"
_OUTPUTS: Final = f"""
    SELECT count(*), group_concat(item, '{_END}, {_BEGIN}') FROM (
        SELECT id || '", "output_index": ' || output_index AS item
        FROM keys %s CROSS JOIN transactions USING (position)
        WHERE public_key = ?1 AND in_details AND output_index >= 0
            AND (position, output_index) > (?2, ?3)
            AND (position, output_index) <= (?4, ?5) %s
        ORDER BY position, output_index LIMIT ?6
    )
"""
_WITH_SPENDER: Final = "CROSS JOIN outputs USING (position, output_index)"
# Bounded too: what was spent since the first page counts as unspent.
_SPENT: Final = "AND spent_by <= ?7"
_UNSPENT: Final = "AND (spent_by IS NULL OR spent_by > ?7)"
_OUTPUTS_OF: Final = {
    None: _OUTPUTS % ("", ""),
    True: _OUTPUTS % (_WITH_SPENDER, _SPENT),
    False: _OUTPUTS % (_WITH_SPENDER, _UNSPENT),
}


def outputs_page(
    public_key: str,
    spent: bool | None,
    after: Cursor,
    limit: int,
    connection: apsw.Connection,
) -> OutputsPage:
    """Outputs that a key owns, in the order of storage, at most `limit` of them.

    The key is in their condition, and in the `public_keys` of any output of the same
    transaction. If `spent` is not None: only the spent ones, or only the others.
    """
    up_to = _up_to(after, connection)
    seek = public_key, after.position, after.output_index
    end = row(connection, _OUTPUTS_END, *seek, up_to, PAGE_OUTPUTS - 1)
    position, output_index = end or (up_to, END_OF_BLOCK)
    bindings = [*seek, position, output_index, limit]
    if spent is not None:
        bindings.append(up_to)
    number, items = rows(connection, _OUTPUTS_OF[spent], *bindings)[0]
    text = f"{_BEGIN}{items}{_END}" if number else ""
    following = Cursor(position, output_index, up_to) if end else None
    return OutputsPage(text, number, following)


_OF_ASSET: Final = (
    "SELECT position FROM transactions WHERE %s = ?1"
    " AND position > ?2 AND position <= ?3 AND (?4 IS NULL OR operation = ?4)"
)
_HISTORY: Final = f"{_OF_ASSET % 'id'} UNION ALL {_OF_ASSET % 'asset_id'}"
_TRANSFERS: Final = _OF_ASSET % "asset_id"
_CREATE: Final = _OF_ASSET % "id"


def transactions_page(
    asset_id: str,
    operation: str | None,
    after: Cursor,
    limit: int,
    connection: apsw.Connection,
) -> TransactionsPage:
    """Transactions of an asset in the order of storage, its CREATE first, at most `limit`.

    `operation` limits them to that operation: for CREATE the transaction with the asset's id,
    for any other those that name the asset.
    """
    up_to = _up_to(after, connection)
    sql = f"{_selection(operation)} ORDER BY position LIMIT ?5"
    most = min(limit, PAGE_TRANSACTIONS)
    bindings = asset_id, after.position, up_to, operation, most + 1
    return _page(connection, rows(connection, sql, *bindings), most, up_to)


def _page(
    connection: apsw.Connection,
    positions: Sequence[Row],
    most: int,
    up_to: int | None = None,
) -> TransactionsPage:
    """The transactions at these positions, as many as fit a page, and at most `most`."""
    raws: list[bytes] = []
    size = 0
    for (position,) in positions:
        raw = _raw(connection, position)
        raws.append(raw)
        size += len(raw)
        if size >= PAGE_BYTES or len(raws) == most:
            follows = len(raws) < len(positions)
            return TransactionsPage(
                raws, Cursor(position, up_to=up_to) if follows else None
            )
    return TransactionsPage(raws, None)


def last_transaction(
    asset_id: str,
    operation: str | None,
    after: Cursor,
    connection: apsw.Connection,
) -> TransactionsPage:
    """Of the same transactions, only the one that was stored last."""
    sql = f"{_selection(operation)} ORDER BY position DESC LIMIT 1"
    up_to = _up_to(after, connection)
    found = row(connection, sql, asset_id, after.position, up_to, operation)
    return TransactionsPage([_raw(connection, found[0])] if found else [], None)


def _selection(operation: str | None) -> str:
    if operation is None:
        return _HISTORY
    return _CREATE if operation == "CREATE" else _TRANSFERS


def _raw(connection: apsw.Connection, position: int) -> bytes:
    found: bytes = rows(
        connection, "SELECT raw FROM bodies WHERE position = ?", position
    )[0][0]
    return found


def _up_to(after: Cursor, connection: apsw.Connection) -> int:
    if after.up_to is not None:
        return after.up_to
    tip = newest_block(connection)
    return position_key(tip.height if tip else 0, END_OF_BLOCK)
