"""Dropping the oldest blocks, a few at a time, with all that the index says of them.

The index has no order by position, so its rows are found as they were made: from the block's own
events. That costs about what appending the block did, and no second index.
"""

from __future__ import annotations

from typing import Final

from trio_stream.cometbft.followed import FollowedTip
from trio_stream.log.errors import translated
from trio_stream.log.followed.blocks import block_events, read_block_at
from trio_stream.log.followed.index import Index
from trio_stream.log.followed.keep import Keep, surplus
from trio_stream.log.followed.rows import gap_at, hash_of, newest
from trio_stream.log.rows import row
from trio_stream.log.writing import WritingEnd
from trio_stream.stream.position import END_OF_BLOCK, key_of

ROWS: Final = 2_000
"""Events in one transaction, give or take a block: new blocks wait that long, some 50 ms."""
BLOCKS: Final = 100
"""Blocks in one transaction, however small."""


def prune(file: WritingEnd, index: Index, keep: Keep) -> bool:
    """Drop a few blocks, if any are beyond what is kept; True if more are. Durable on return."""
    with translated("read", file.path):
        found = row(file.connection, "SELECT oldest FROM chain")
        if found is None:
            return False
        oldest = found[0]
        tip = newest(file.connection).height
        until = surplus(file.connection, keep, oldest=oldest, tip=tip)
    if until is None:
        return False
    with file.transaction("drop old blocks from") as execute:
        left, height = ROWS, oldest
        before: FollowedTip | None = None
        while height <= until and left > 0 and height < oldest + BLOCKS:
            gap = gap_at(file.connection, height)
            if gap is not None:
                # It goes as a whole; the newest stays.
                if gap.last >= tip:
                    break
                execute("DELETE FROM gaps WHERE first = ?", (gap.first,))
                before = FollowedTip(gap.last, None)
            else:
                left -= 1 + _drop(file, index, height)
                before = _dropped(file, height)
            height = before.height + 1
        if before is not None:
            sql = "UPDATE chain SET oldest = ?, before_oldest = ?"
            execute(sql, (before.height + 1, before.hash))
    return before is not None and (before.height < until or keep.bytes is not None)


def _drop(file: WritingEnd, index: Index, height: int) -> int:
    """Drop all of a block but its own row; how many events it had."""
    block = read_block_at(file.connection, height)
    assert block is not None  # what is not in a gap is a block
    events = block_events(block.results)
    index.remove(key_of(height, END_OF_BLOCK), events)
    dropped = len(events)
    for number, result in enumerate(block.results.txs):
        index.remove(key_of(height, number), result.events)
        dropped += 1 + len(result.events)
    span = key_of(height, 0), key_of(height, END_OF_BLOCK)
    for table in ("transactions", "transaction_bodies"):
        sql = f"DELETE FROM {table} WHERE position BETWEEN ? AND ?"
        file.connection.execute(sql, span)
    file.connection.execute("DELETE FROM block_bodies WHERE height = ?", (height,))
    return dropped


def _dropped(file: WritingEnd, height: int) -> FollowedTip:
    found = hash_of(file.connection, height)
    file.connection.execute("DELETE FROM blocks WHERE height = ?", (height,))
    return FollowedTip(height, found)
