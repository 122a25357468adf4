"""The commit log: it makes blocks durable, and holds the state that judges the next ones.

`CommitLog` is the one writer of the file, blocking, and touched only from the state machine's
thread. `append` is one SQLite transaction that holds the block, its transactions, the state they
change and all that its events need: after a crash at any instant the file holds a whole number of
blocks. Subscribers and HTTP read through `log.reader`, on other connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import apsw

from trio_stream.ledger.block import RULES, Block, Chain, Tip
from trio_stream.log.block_rows import (
    accepted_rows,
    insert_accepted,
    insert_chain,
    insert_refused,
    insert_tallies,
    insert_validators,
)
from trio_stream.log.errors import LogDamaged, LogFromNewerVersion, translated
from trio_stream.log.migrations import MIGRATIONS
from trio_stream.log.moves import chain_in_force, insert_move, is_imported
from trio_stream.log.own_digest import OwnDigest
from trio_stream.log.rows import newest_block
from trio_stream.log.view import StoredView
from trio_stream.log.writing import WritingEnd

TAKEN_AT_ONCE: Final = 1_000
"""Pages from one question whether to stop to the next: some milliseconds."""


class CommitLog(StoredView):
    """The writing end of a data directory; `open` makes one, `close` releases it."""

    def __init__(self, file: WritingEnd) -> None:
        super().__init__(file.connection, file.path)
        self._file = file
        self.between_blocks = file.between_blocks
        """Held during a commit and a `steady` block; whoever else holds it keeps those waiting."""
        self._own_digest = OwnDigest(file.path)

    @classmethod
    def open(cls, home: Path) -> Self:
        """Open the log of the data directory `home`, creating both if they are missing.

        Raises `CommitLogError`: `LogInUse` if another process uses it.
        """
        return cls(WritingEnd.open(home, MIGRATIONS))

    @property
    def wal_bytes(self) -> int:
        """Bytes in the write-ahead log since it last started over."""
        return self._file.wal_bytes

    def close(self) -> None:
        """Release the file and the directory; what was committed is already durable."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def steady(self) -> Iterator[None]:
        """All questions in the block see one state, for less; the next block waits for its end."""
        # Whoever starts the write-ahead log over would find it in use.
        with self.between_blocks, super().steady():
            yield

    def chain(self) -> Chain | None:
        """The chain that the newest InitChain began."""
        with translated("read", self.path):
            chain = chain_in_force(self.connection)
        if chain is not None and chain.rules != RULES:
            raise LogFromNewerVersion(
                "read",
                self.path,
                f"its chain follows rules {chain.rules}, ours are {RULES}",
            )
        return chain

    def chain_at(self, height: int) -> Chain | None:
        """The chain that the block of this height belongs to."""
        with translated("read", self.path):
            return chain_in_force(self.connection, height)

    def tip(self) -> Tip | None:
        """The newest block; None before the first."""
        with translated("read", self.path):
            return newest_block(self.connection)

    def is_imported(self) -> bool:
        """Whether no chain has gone on with what was imported."""
        with translated("read", self.path):
            return is_imported(self.connection)

    def digest(self, height: int) -> str:
        """The digest of the blocks up to this height; raises `Interrupted`."""
        return self._own_digest.up_to(height)

    def give_up(self) -> None:
        """Interrupt a digest that is being made; any thread may call it."""
        self._own_digest.give_up()

    def begin_chain(self, chain: Chain) -> None:
        """Store the chain, in place of one without a block; durable on return."""
        with self._file.transaction("begin a chain in") as execute:
            if chain.continues is not None:
                insert_move(self.connection, chain, chain.continues)
                return
            execute("DELETE FROM chain")
            execute("DELETE FROM validators")
            insert_chain(self.connection, chain)

    def append(self, block: Block) -> None:
        """Store the block and all that it changes; durable on return.

        If it raises, either nothing of the block is stored, or all of it if only the last sync
        failed: the process must end, and what it finds when it starts again is the truth.
        """
        with self._file.transaction(f"append block {block.height} to") as execute:
            execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
                (
                    block.height,
                    *block.time,
                    block.app_hash,
                    len(block.accepted),
                    len(block.refused),
                ),
            )
            if block.accepted:
                self._insert_accepted(block)
            if block.refused:
                insert_refused(self.connection, block.height, block.refused)
            if block.tallies:
                insert_tallies(self.connection, block.height, block.tallies)
            if block.validators is not None:
                insert_validators(self.connection, block.height + 1, block.validators)

    def take_over(
        self, other: apsw.Connection, *, stopping: Callable[[], bool]
    ) -> bool:
        """Hold what another log holds, in place of what is here; durable on return.

        It is one transaction of SQLite. If it raises, or returns False because `stopping` is true,
        nothing has changed.
        """
        with self.between_blocks, translated("restore", self.path):
            self._file.fail_if_lost("restore")
            with self.connection.backup("main", other, "main") as backup:
                while not backup.done:
                    if stopping():
                        return False
                    backup.step(TAKEN_AT_ONCE)
        return True

    def _insert_accepted(self, block: Block) -> None:
        found = accepted_rows(block.height, block.accepted)
        if not insert_accepted(self.connection, found):
            raise LogDamaged(
                f"append block {block.height} to",
                self.path,
                "an output that the block spends does not exist, or is already spent",
            )
