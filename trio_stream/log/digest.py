"""The digest of a whole log, which says whether two logs hold the same history.

What it covers is `ledger.digest`'s business. It is worked out from the transactions' bytes in one
read of the log, so it costs as much as reading each of them, and the memory of one block.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import apsw

from trio_stream.ledger.digest import ChainDigest
from trio_stream.log.blocks import StoredBlock, extent, stored_blocks
from trio_stream.log.copy import Progress
from trio_stream.log.errors import LogDamaged, translated
from trio_stream.transactions.errors import ValidationError


class Digested(NamedTuple):
    """A digest, and what it covers."""

    digest: str
    """64 hexadecimal digits."""
    height: int
    """The newest block that it covers."""
    transactions: int


def digest(
    connection: apsw.Connection,
    path: Path,
    *,
    height: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Digested:
    """The digest of the log up to the block of this height, or to the newest one.

    `progress` gets numbers of transactions. Raises `CommitLogError`: `NoSuchBlock` if the log does
    not have the block, `LogDamaged` if it contradicts itself; not all that may be wrong with a log
    is noticed.
    """
    with translated("read", path), connection:
        found = extent(connection, path, height)
        digest = ChainDigest(found.chain)
        done = 0
        for block in stored_blocks(connection, path, found):
            add_stored(digest, block, path)
            done += len(block.accepted)
            progress(done, found.transactions)
    return Digested(digest.hexdigest(), found.last, done)


def add_stored(digest: ChainDigest, block: StoredBlock, path: Path) -> None:
    """Add the next block of the log at `path`."""
    if block.begins is not None:
        digest.add_move(block.begins)
    try:
        for _, raw in block.accepted:
            digest.add_transaction(raw)
    except ValidationError as error:
        cause = f"a transaction of block {block.height} is {error}"
        raise LogDamaged("read", path, cause) from error
    digest.add_block(block.height, block.app_hash, block.tallies, block.validators)
