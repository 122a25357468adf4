"""A new log, made of the chunks of a snapshot.

Its file stands beside the log, and is nothing before it is complete: it is written without a
journal, and a crash leaves something to be removed. All that follows from transactions is worked
out from them: their rows, what votes decide, and the chain of app hashes, which says in the end
whether they are the transactions of this chain. What they may do is not judged again: the chain has
accepted them, or it would have another hash.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from trio_stream.ledger.block import Tip, next_app_hash
from trio_stream.ledger.elections import Ballots
from trio_stream.ledger.genesis import START_HASHES
from trio_stream.log.block_rows import (
    insert_accepted,
    insert_chain,
    insert_tallies,
    insert_validators,
)
from trio_stream.log.chunk_rows import BallotRow, BlockPart, ChunkRows
from trio_stream.log.file import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    VIEWS,
    run,
)
from trio_stream.log.snapshot_head import Head, SnapshotError
from trio_stream.log.view import StoredView
from trio_stream.transactions.errors import ValidationError

CACHE_KIB: Final = 256 * 1024
"""Memory for the indexes by id and by key, which are written at random places."""

_BEGINNINGS: Final = tuple(START_HASHES.values())
_INDEX: Final = re.compile(r"^CREATE INDEX [^;]*;", re.MULTILINE)


class Rebuilding:
    """The log that a snapshot makes, while its chunks arrive."""

    def __init__(self, path: Path, head: Head, known: Tip | None = None) -> None:
        if head.chain.start_hash not in _BEGINNINGS:
            # It would stand for blocks that are left out.
            raise SnapshotError("its chain begins with another app hash than any does")
        self._head = head
        self._known = known
        self._app_hash = head.chain.start_hash
        self._starts = {each.initial_height: each.start_hash for each in head.moves}
        self._at = head.chain.initial_height - 1, 0
        self._block: BlockPart | None = None
        self._ids: list[str] = []
        self._counts = [0, 0]
        self._ballots: dict[int, Ballots] = defaultdict(Ballots)
        self.connection = apsw.Connection(str(path))
        self._view = StoredView(self.connection, path)
        schema = SCHEMA.read_text(encoding="utf-8")
        self._indexes = "\n".join(_INDEX.findall(schema))
        run(
            self.connection,
            f"""
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA locking_mode = EXCLUSIVE;
            PRAGMA cache_size = -{CACHE_KIB};
            PRAGMA application_id = {APPLICATION_ID};
            PRAGMA user_version = {SCHEMA_VERSION};
            BEGIN;
            """,
        )
        # They are made at the end, which is faster.
        run(self.connection, _INDEX.sub("", schema))
        run(self.connection, VIEWS.read_text(encoding="utf-8"))
        with _rows_fit():
            self._begin_chain()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def add(self, found: ChunkRows) -> None:
        """Add what the next chunk makes. Raises `SnapshotError` if it can't be the next."""
        if found.begin != self._at:
            raise SnapshotError("a chunk does not begin where the one before ends")
        with _rows_fit():
            if not insert_accepted(self.connection, found.accepted):
                raise SnapshotError(
                    "an output that is spent does not exist, or is already spent"
                )
            self.connection.executemany(
                "INSERT INTO refused VALUES (?, ?, ?, ?, ?)", found.refused
            )
            for ballot in found.ballots:
                self._cast(ballot)
            for part in found.blocks:
                self._add_part(part)
        self._at = found.end

    def finish(self) -> None:
        """Complete the log; raises `SnapshotError` if it is not what was promised."""
        with _rows_fit():
            self._end_block()
        height = self._at[0]
        if (height, self._app_hash) != (self._head.height, self._head.app_hash):
            raise SnapshotError(
                f"what it holds makes the app hash {self._app_hash or '(empty)'} at height"
                f" {height}, and not {self._head.app_hash or '(empty)'} at {self._head.height}"
            )
        run(self.connection, self._indexes)
        run(self.connection, "COMMIT")

    def _begin_chain(self) -> None:
        insert_chain(self.connection, self._head.chain)
        self.connection.executemany(
            "INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?)", self._head.moves
        )

    def _cast(self, ballot: BallotRow) -> None:
        ballots = self._ballots[ballot.height]
        if ballot.votes is None:
            ballots.open(ballot.election)
        else:
            ballots.cast(ballot.election, ballot.votes)

    def _add_part(self, part: BlockPart) -> None:
        if part.time is not None:
            self._end_block()
            self._block = part
        if self._block is None or part.height > self._head.height:
            raise SnapshotError("a transaction is in no block of the snapshot")
        if part.ids:
            self._ids.append(part.ids)
        self._counts[0] += part.accepted
        self._counts[1] += part.refused

    def _end_block(self) -> None:
        if (block := self._block) is None:
            return
        assert block.time is not None
        height = block.height
        start = self._starts.get(height, self._app_hash)
        # Chains that go on from nothing may begin in either way.
        if start != self._app_hash and (self._app_hash or start not in _BEGINNINGS):
            raise SnapshotError("a chain goes on from another app hash")
        # The hash is of the ids joined.
        self._app_hash = next_app_hash(start, self._ids)
        self.connection.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            (height, *block.time, self._app_hash, *self._counts),
        )
        if (ballots := self._ballots.pop(height, None)) is not None:
            self._view.below = height
            outcome = ballots.count(height, self._view)
            insert_tallies(self.connection, height, outcome.tallies)
            if outcome.validators is not None:
                insert_validators(self.connection, height + 1, outcome.validators)
        if self._known is not None and height == self._known.height:
            if self._app_hash != self._known.app_hash:
                raise SnapshotError("it differs from the log that is to be replaced")
        self._block, self._ids, self._counts = None, [], [0, 0]


@contextmanager
def _rows_fit() -> Iterator[None]:
    """Tell what a liar's rows do from what a disk does."""
    try:
        yield
    except (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError) as error:
        raise SnapshotError(f"a row is not possible: {error}") from error
    except (
        ValidationError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
    ) as error:
        raise SnapshotError(f"a row is not possible: {error!r:.200}") from error
