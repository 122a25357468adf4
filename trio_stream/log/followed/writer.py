"""The log of a followed chain: it makes blocks durable, and drops those that are too old.

`FollowedLog` is the one writer of the file, blocking, and touched by one thread at a time. `append`
is one SQLite transaction: after a crash at any instant the file holds a whole number of blocks. It
does not judge them: whoever appends has checked them.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

from trio_stream.cometbft.followed import (
    FollowedBlock,
    FollowedChain,
    FollowedTip,
    Gap,
)
from trio_stream.cometbft.results import BlockResults
from trio_stream.log.errors import LogDamaged, LogOfOtherChain, translated
from trio_stream.log.followed import pruning
from trio_stream.log.followed.block_rows import block_row, transaction_rows
from trio_stream.log.followed.blocks import block_events, read_block_at
from trio_stream.log.followed.bodies import cut
from trio_stream.log.followed.index import FLAGGED, Index, IndexedKeys
from trio_stream.log.followed.keep import EVERYTHING, Keep
from trio_stream.log.followed.rows import FOLLOWED, newest, stored_chain
from trio_stream.log.writing import Execute, WritingEnd
from trio_stream.stream.position import END_OF_BLOCK, key_of


class FollowedLog:
    """The writing end of a follower's data directory; `open` makes one, `close` releases it."""

    def __init__(self, file: WritingEnd, keys: IndexedKeys, keep: Keep) -> None:
        self._file = file
        self.connection = file.connection
        """Touched by one thread at a time."""
        self.path = file.path
        self._index = Index(file.connection, keys)
        self._keep = keep

    @classmethod
    def open(
        cls, home: Path, *, keys: IndexedKeys = FLAGGED, keep: Keep = EVERYTHING
    ) -> Self:
        """Open the log of the data directory `home`, creating both if they are missing.

        Raises `CommitLogError`: `LogInUse` if another process uses it.
        """
        return cls(WritingEnd.open(home, {}, format=FOLLOWED), keys, keep)

    @property
    def wal_bytes(self) -> int:
        """Bytes in the write-ahead log since it last started over."""
        return self._file.wal_bytes

    @property
    def between_blocks(self) -> threading.Lock:
        """Held while something is written; whoever else holds it keeps that waiting."""
        return self._file.between_blocks

    def close(self) -> None:
        """Release the file and the directory; what was appended is already durable."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def chain(self) -> FollowedChain | None:
        """The chain that is followed, and where that began; None before `begin`."""
        with translated("read", self.path):
            return stored_chain(self.connection)

    def tip(self) -> FollowedTip:
        """How far the log is."""
        with translated("read", self.path):
            return newest(self.connection)

    def last(self) -> BlockResults | None:
        """What became of the newest block, to be held against the next header.

        None after a gap, and before the first block.
        """
        with translated("read", self.path):
            found = read_block_at(self.connection, newest(self.connection).height)
        return None if found is None else found.results

    def begin(self, chain: FollowedChain) -> None:
        """Say which chain this is; durable on return.

        Raises `LogOfOtherChain` if another one was followed here.
        """
        before = self.chain()
        if before is None:
            with self._file.transaction("begin a chain in") as execute:
                sql = "INSERT INTO chain VALUES (1, ?, ?, ?, NULL)"
                execute(sql, (chain.chain_id, chain.first, chain.first))
        elif before.chain_id != chain.chain_id:
            raise LogOfOtherChain(
                "follow a chain in",
                self.path,
                f"it has {before.chain_id!r}, the nodes have {chain.chain_id!r}",
            )

    def append(self, *blocks: FollowedBlock) -> FollowedTip:
        """Store blocks in a row, which have been checked; durable on return, all of them."""
        operation = f"append block {blocks[0].height} to"
        self._fail_unless_next(*(each.height for each in blocks))
        try:
            with self._file.transaction(operation) as execute:
                for each in blocks:
                    self._add(each, execute)
        except BaseException:
            self._index.forget()
            raise
        return FollowedTip(blocks[-1].height, blocks[-1].hash)

    def _add(self, followed: FollowedBlock, execute: Execute) -> None:
        height = followed.height
        bodies = cut(followed.raw_block, followed.raw_results)
        block, results = followed.block, followed.results
        events = block_events(results)
        execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)",
            block_row(followed, events),
        )
        # The first block says which one was before it.
        execute(
            "UPDATE chain SET before_oldest = ?"
            " WHERE oldest = ? AND before_oldest IS NULL",
            (block.header.last_block_id.hash, height),
        )
        sql = "INSERT INTO block_bodies VALUES (?, ?)"
        execute(sql, (height, bodies.block))
        self.connection.executemany(
            "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?)",
            transaction_rows(followed),
        )
        self.connection.executemany(
            "INSERT INTO transaction_bodies VALUES (?, ?)",
            (
                (key_of(height, index), body)
                for index, body in enumerate(bodies.transactions)
            ),
        )
        happened = [
            (key_of(height, index), each.events)
            for index, each in enumerate(results.txs)
        ]
        self._index.add_all([*happened, (key_of(height, END_OF_BLOCK), events)])

    def gap(self, gap: Gap) -> FollowedTip:
        """Record that no node has these heights; durable on return."""
        self._fail_unless_next(gap.first)
        with self._file.transaction(f"record a gap at {gap.first} in") as execute:
            sql = "INSERT INTO gaps VALUES (?, ?, ?, ?)"
            execute(sql, (gap.first, gap.last, gap.reason, gap.detail))
        return FollowedTip(gap.last, None)

    def prune(self) -> bool:
        """Drop some of what is not to be kept; True if there is more of that."""
        return pruning.prune(self._file, self._index, self._keep)

    def _fail_unless_next(self, *heights: int) -> None:
        operation = f"append block {heights[0]} to"
        if self.chain() is None:
            raise LogDamaged(operation, self.path, "it has no chain yet")
        newest_height = self.tip().height
        if heights != tuple(range(newest_height + 1, newest_height + 1 + len(heights))):
            cause = f"its newest is {newest_height}"
            raise LogDamaged(operation, self.path, cause)
