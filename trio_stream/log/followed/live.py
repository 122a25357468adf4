"""The newest blocks of a followed chain, for those who wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw

from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.log.followed.blocks import read_block_at
from trio_stream.log.followed.rows import gap_at
from trio_stream.log.rows import row
from trio_stream.stream.position import END_OF_BLOCK, key_of

BLOCKS_PER_READ: Final = 100

_SIZE: Final = (
    "SELECT length(body) + (SELECT total(length(body)) FROM transaction_bodies"
    " WHERE position BETWEEN ? AND ?) FROM block_bodies WHERE height = ?"
)


def blocks_after(
    height: int, max_bytes: int, connection: apsw.Connection
) -> list[FollowedBlock | Gap]:
    """What follows a height, oldest first: always the first block or gap, and more up to the bytes.

    The bytes are those of the compressed bodies.
    """
    found: list[FollowedBlock | Gap] = []
    for _ in range(BLOCKS_PER_READ):
        height += 1
        gap = gap_at(connection, height)
        if gap is not None:
            found.append(gap)
            height = gap.last
            continue
        span = key_of(height, 0), key_of(height, END_OF_BLOCK)
        size = row(connection, _SIZE, *span, height)
        if size is None:
            break
        max_bytes -= size[0]
        if found and max_bytes < 0:
            break
        block = read_block_at(connection, height)
        assert block is not None  # its body is there
        found.append(block)
    return found


def each_after(
    height: int,
    take: Callable[[FollowedBlock | Gap], bool],
    connection: apsw.Connection,
) -> int:
    """Call `take` with what follows a height, oldest first, until it says no or there is no more.

    Returns the oldest height that is kept.
    """
    while True:
        height += 1
        found: FollowedBlock | Gap | None = gap_at(connection, height)
        if found is None:
            found = read_block_at(connection, height)
        if found is None or not take(found):
            break
        height = found.last if isinstance(found, Gap) else height
    oldest = row(connection, "SELECT oldest FROM chain")
    return oldest[0] if oldest else 1
