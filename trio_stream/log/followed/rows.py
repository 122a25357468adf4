"""What the file is, and questions to it that many rooms ask."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from trio_stream.cometbft.followed import FollowedChain, FollowedTip, Gap
from trio_stream.log.file import FOLLOWED_ID, Format
from trio_stream.log.rows import row

_HERE: Final = Path(__file__).parent

FOLLOWED: Final = Format(
    application_id=FOLLOWED_ID,
    version=1,
    schema=_HERE / "schema.sql",
    views=_HERE / "views.sql",
)


def stored_chain(connection: apsw.Connection) -> FollowedChain | None:
    """The chain that is followed; None before it is known."""
    found = row(connection, "SELECT chain_id, first FROM chain")
    return FollowedChain(*found) if found else None


def newest(connection: apsw.Connection) -> FollowedTip:
    """How far the log is; height 0 before the chain is known."""
    found = row(
        connection,
        "SELECT oldest - 1, before_oldest, (SELECT max(height) FROM blocks),"
        " (SELECT last FROM gaps ORDER BY first DESC LIMIT 1) FROM chain",
    )
    if found is None:
        return FollowedTip(0, None)
    before, before_hash, block, gap = found
    if block is None and gap is None:
        return FollowedTip(before, before_hash)
    if block is None or gap is not None and gap > block:
        return FollowedTip(gap, None)
    return FollowedTip(block, hash_of(connection, block))


def gap_at(connection: apsw.Connection, height: int) -> Gap | None:
    """The gap in which this height is; None if it is in none."""
    found = row(
        connection,
        "SELECT first, last, reason, detail FROM gaps WHERE first <= ?"
        " ORDER BY first DESC LIMIT 1",
        height,
    )
    return Gap(*found) if found and found[1] >= height else None


def hash_of(connection: apsw.Connection, height: int) -> bytes | None:
    """The hash of a block; None if the log doesn't have it."""
    found = row(connection, "SELECT hash FROM blocks WHERE height = ?", height)
    return found[0] if found else None


def newest_with(connection: apsw.Connection, digest: bytes) -> int | None:
    """Where the newest transaction with this hash stands: one may come more than once."""
    found = row(
        connection,
        "SELECT max(position) FROM transactions WHERE substr(hash, 1, 8) = ? AND hash = ?",
        digest[:8],
        digest,
    )
    return found[0] if found else None
