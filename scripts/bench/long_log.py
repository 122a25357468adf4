"""A data directory with a long history, made in seconds: for programs that measure replay.

The rows of blocks and transactions are written as the commit log writes them, without the work of
validating a million transactions and of a million syncs. Nobody signed these transactions, and they
have no outputs: a daemon serves them, and goes on behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain
from trio_stream.log.file import open_for_writing
from trio_stream.log.writer import CommitLog
from trio_stream.stream.events import CommitEvent, encode
from trio_stream.stream.frames import text_frame
from trio_stream.stream.position import key_of

CHAIN_ID: Final = "long"
_SECONDS: Final = 1_600_000_000


def events(blocks: int, size: int) -> Iterator[CommitEvent]:
    """What is in so many blocks of so many transactions each."""
    for height in range(1, blocks + 1):
        for index in range(size):
            digest = hashlib.sha256(b"%d %d" % (height, index))
            name = digest.hexdigest()
            yield CommitEvent(height, index, name, name, digest.digest(), "CREATE")


def frames(blocks: int, size: int) -> Iterator[bytes]:
    """What a plain subscriber gets of it."""
    for event in events(blocks, size):
        yield text_frame(encode(event))


def write_long_log(home: Path, blocks: int, size: int) -> None:
    """Make the data directory `home`, and the history in it."""
    with CommitLog.open(home) as log:
        log.begin_chain(Chain(CHAIN_ID, 1, "", 1, Time(_SECONDS, 0), ()))
        path = log.path
    connection = open_for_writing(path)
    with connection:
        connection.executemany(
            "INSERT INTO blocks (height, seconds, nanos, app_hash, accepted, refused)"
            " VALUES (?, ?, ?, ?, ?, 0)",
            (
                (height, _SECONDS + height, 1, hashlib.sha256().hexdigest(), size)
                for height in range(1, blocks + 1)
            ),
        )
        connection.executemany(
            "INSERT INTO transactions (position, id, operation, sha256)"
            " VALUES (?, ?, ?, ?)",
            (
                (key_of(e.height, e.index), e.transaction_id, e.operation, e.tx_sha256)
                for e in events(blocks, size)
            ),
        )
    connection.pragma("wal_checkpoint(TRUNCATE)")
    connection.close()
