"""How much of a chain is kept, and which block is the oldest one then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import apsw

from trio_stream.log.file import value
from trio_stream.log.rows import row


@dataclass(frozen=True, slots=True)
class Keep:
    """Bounds for what is kept; None for none. What is beyond any of them is dropped."""

    blocks: int | None = None
    seconds: float | None = None
    """Before the newest block, by the times of blocks."""
    bytes: int | None = None
    """Of the file that are in use."""


EVERYTHING: Final = Keep()


def used_bytes(connection: apsw.Connection) -> int:
    """Bytes of the file that are in use; the others will be, before it grows."""
    pages, free, size = (
        value(connection, f"PRAGMA {name}")
        for name in ("page_count", "freelist_count", "page_size")
    )
    assert isinstance(pages, int) and isinstance(free, int) and isinstance(size, int)
    return (pages - free) * size


def surplus(
    connection: apsw.Connection, keep: Keep, *, oldest: int, tip: int
) -> int | None:
    """The height up to which may be dropped now; None if nothing is beyond the bounds.

    The newest block always stays. For bytes it is one block at a time: nobody can tell how many
    pages a block leaves before it is gone.
    """
    until = oldest - 1
    if keep.blocks is not None:
        until = max(until, tip - max(keep.blocks, 1))
    if keep.seconds is not None:
        # Times of blocks rise with their heights.
        found = row(
            connection,
            "SELECT height FROM blocks WHERE seconds + nanos / 1e9 >="
            " (SELECT seconds + nanos / 1e9 FROM blocks ORDER BY height DESC LIMIT 1) - ?"
            " ORDER BY height LIMIT 1",
            keep.seconds,
        )
        if found is not None:
            until = max(until, found[0] - 1)
    if keep.bytes is not None and used_bytes(connection) > keep.bytes:
        until = max(until, oldest)
    until = min(until, tip - 1)
    return until if until >= oldest else None
