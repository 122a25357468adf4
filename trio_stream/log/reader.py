"""Reading the commit log beside its writer.

Async outside, read-only SQLite connections in threads inside. There are five sets of connections
that share nothing, each with its own limiter: the channel's, for whose one read per block all
subscribers wait; look-ups, for HTTP; replay, for subscribers that catch up; text searches, which
take long when they find much; and the judging of posted transactions that are not small. A thousand
reads of one kind must not hold up the others.

Every read is a short transaction that ends before its thread returns, so it sees one state of the
log, and a checkpoint waits for a reader no longer than a few pages take; for a search, seconds.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import apsw
import trio

from trio_stream.ledger.block import Tip
from trio_stream.log import live, lookups, search
from trio_stream.log.connection_sets import ConnectionSets
from trio_stream.log.connections import Connections, ConnectionsStatistics, RunSync
from trio_stream.log.elections import Standing, standing
from trio_stream.log.judges import Judges
from trio_stream.log.landmarks import landmarks
from trio_stream.log.lookups import (
    BEGINNING,
    Cursor,
    OutputsPage,
    TransactionsPage,
)
from trio_stream.log.replay import read_frame_pages, read_frames
from trio_stream.log.rows import newest_block
from trio_stream.log.search import Documents, SearchTooLong
from trio_stream.log.view import StoredView
from trio_stream.stream.events import CommittedBlock, Outcome
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks
from trio_stream.stream.selection import Selection
from trio_stream.transactions.candidate import Candidate, CandidateCache
from trio_stream.transactions.costs import judging_cost
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.errors import Refusal, ValidationError
from trio_stream.transactions.rules import admit

LOOKUP_THREADS: Final = 2
LOOKUPS_TOGETHER: Final = 16
"""Look-ups that share one thread hop when many come at once, or, if all are quick, one step of the
event loop: two milliseconds of signatures."""
QUICK_BYTES: Final = 2048
"""Any transaction of this size is judged in a millisecond, and most in a tenth of that."""
JUDGES: Final = min(4, max(1, (os.cpu_count() or 1) - 1))
"""Threads for posted transactions: one processor is left to what commits and answers."""
QUICK_READ_BYTES: Final = 64 * 1024
"""A body of this size, sixteen pages of SQLite, is read and copied in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReaderStatistics:
    """What `LogReader.statistics` returns: the figures of each set of connections."""

    channel: ConnectionsStatistics
    lookups: ConnectionsStatistics
    replay: ConnectionsStatistics
    searches: ConnectionsStatistics
    judging: ConnectionsStatistics


class LogReader:
    """Answers questions about what is committed.

    No method can be cancelled while its thread works, which takes a few pages at most.
    """

    def __init__(
        self,
        path: Path,
        cache: CandidateCache,
        *,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        self._path = path
        self._cache = cache
        self._channel = Connections("channel", path, 1, run_sync, together=1)
        self._lookups = Connections(
            "look-ups",
            path,
            LOOKUP_THREADS,
            run_sync,
            together=LOOKUPS_TOGETHER,
            mapped=True,
        )
        self._replay = Connections("replay", path, 1, run_sync, together=1, mapped=True)
        self._searches = Connections("searches", path, 1, run_sync, together=1)
        self._judges = Judges(JUDGES)
        self._judging = Connections(
            "judging", path, JUDGES, run_sync, together=1, mapped=True
        )
        # The order in which a pause waits for them: the slowest first, while the others go on.
        self._sets = ConnectionSets(
            (
                self._searches,
                self._judging,
                self._replay,
                self._lookups,
                self._channel,
            )
        )

    async def aclose(self) -> None:
        """Close all connections; no read may be in progress."""
        self._sets.close()
        self._judges.close()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> LogReaderStatistics:
        """How many reads wait now, and how many have been late."""
        return LogReaderStatistics(
            channel=self._channel.statistics(),
            lookups=self._lookups.statistics(),
            replay=self._replay.statistics(),
            searches=self._searches.statistics(),
            judging=self._judging.statistics(),
        )

    async def run(  # noqa: ASYNC128  # the sets say that they have started
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Report and count late reads until `stop` is set."""
        await self._sets.run(stop=stop, task_status=task_status)

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Hold up new reads, once all that are in progress have finished."""
        return self._sets.paused()

    async def tip(self) -> Tip:
        """The newest block; height 0 and no hash before the first."""
        return await self._channel.read(lambda db: newest_block(db) or Tip(0, ""))

    async def blocks_after(
        self, height: int, *, max_bytes: int
    ) -> list[CommittedBlock]:
        """The blocks above `height`, oldest first: always the first, and more up to `max_bytes`."""
        return await self._channel.read(partial(live.blocks_after, height, max_bytes))

    async def contents(
        self, places: Sequence[Position], *, max_bytes: int
    ) -> dict[int, Contents]:
        """The contents of transactions by their positions' keys, up to `max_bytes`."""
        look = partial(live.contents, places, self._cache, max_bytes)
        return await self._channel.read(look)

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        """Where the log begins and ends, and what is at a position or a transaction's id."""
        return await self._lookups.read(partial(landmarks, place))

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        """A page of the log, up to the tip at most."""
        return await self._replay.read(partial(read_frames, request=request))

    async def frame_pages(
        self, request: PageRequest[Selection], *, take: Callable[[Frames], bool]
    ) -> None:
        """Pages as `frames` gives them, one after the other, in one thread hop.

        `take` is called with each in the thread that made it, and says whether to make another.
        """
        await self._replay.read(partial(read_frame_pages, request=request, take=take))

    async def examine(self, raw: bytes) -> None:
        """Judge against what is committed. Raises `ValidationError`, such as `TooCostly`."""
        is_quick = len(raw) <= QUICK_BYTES
        readers = self._lookups if is_quick else self._judging
        found = await readers.read(partial(self._examine, raw), quick=is_quick)
        if found is not None:
            raise found.error()

    async def transaction(self, transaction_id: str) -> bytes | None:
        """The bytes of a committed transaction."""
        look = partial(lookups.body, transaction_id)
        raw = await self._lookups.read(partial(look, QUICK_READ_BYTES), quick=True)
        if raw == b"":
            raw = await self._lookups.read(partial(look, sys.maxsize))
        return raw

    async def block(
        self, height: int, *, after: Cursor = BEGINNING
    ) -> TransactionsPage | None:
        """A page of a block's accepted transactions, in order; None above the tip."""
        return await self._lookups.read(partial(lookups.block_page, height, after))

    async def outcome(self, transaction_id: str) -> Outcome | None:
        """What became of the transaction with this id: committed, or last refused."""
        return await self._lookups.read(
            partial(lookups.outcome, transaction_id), quick=True
        )

    async def position_of(self, transaction_id: str) -> int | None:
        """The position of a committed transaction, as a `Cursor` has it."""
        look = partial(lookups.position_of, transaction_id)
        return await self._lookups.read(look, quick=True)

    async def heights_with(self, transaction_id: str) -> list[int]:
        """The heights of the blocks that hold this transaction: one, or none."""
        look = partial(lookups.heights_with, transaction_id)
        return await self._lookups.read(look, quick=True)

    async def validators(self) -> list[Validator]:
        """The newest set of validators; empty before InitChain."""
        found = await self._lookups.read(lookups.latest_validators)
        return [Validator(*each) for each in found]

    async def election(self, election_id: str) -> Standing | None:
        """How an election stands; None if none has this id."""
        return await self._lookups.read(partial(standing, election_id))

    async def outputs(
        self, public_key: str, *, spent: bool | None, after: Cursor, limit: int
    ) -> OutputsPage:
        """A page of the outputs that a key owns."""
        look = partial(lookups.outputs_page, public_key, spent, after, limit)
        return await self._lookups.read(look)

    async def transactions(
        self, asset_id: str, *, operation: str | None, after: Cursor, limit: int
    ) -> TransactionsPage:
        """A page of the transactions of an asset."""
        look = partial(lookups.transactions_page, asset_id, operation, after, limit)
        return await self._lookups.read(look)

    async def last_transaction(
        self, asset_id: str, *, operation: str | None, after: Cursor
    ) -> TransactionsPage:
        """Of the same transactions, only the newest."""
        look = partial(lookups.last_transaction, asset_id, operation, after)
        return await self._lookups.read(look)

    async def search(self, documents: Documents, text: str, limit: int) -> array[int]:
        """Positions of the transactions that a text search finds, best first.

        At most `limit`, if it is not 0. Raises `SearchTooLong`.
        """
        look = partial(search.search, documents, text, limit)
        found = await self._searches.read(look)
        if found is None:
            raise SearchTooLong
        return found

    async def bodies(
        self, positions: Sequence[int], *, max_bytes: int
    ) -> list[tuple[str, bytes]]:
        """Id and bytes of these transactions, from the first on, and more up to `max_bytes`."""
        look = partial(search.bodies, positions, max_bytes)
        return await self._lookups.read(look)

    def _examine(self, raw: bytes, connection: apsw.Connection) -> Refusal | None:
        candidate = self._cache.examine(raw)
        judge = partial(self._judge, candidate, connection)
        return self._judges.run(judge, cost=judging_cost(candidate.transaction))

    def _judge(
        self, candidate: Candidate, connection: apsw.Connection
    ) -> Refusal | None:
        try:
            admit(candidate, StoredView(connection, self._path))
        except ValidationError as error:
            self._cache.refuse(candidate)
            # A value: an error that passes from a thread to a task refers to the frames of both,
            # and they to it, so that only the garbage collector would free the bytes.
            return Refusal.of(error)
        return None
