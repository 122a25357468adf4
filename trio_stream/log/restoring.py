"""Restoring a snapshot that a peer of the engine offers, into the log of a running daemon.

The chunks become a new log beside the one that is open (`rebuilding`). If it holds exactly what the
engine's light client relies on, the app hash at its height, it takes the place of what the log
held: as one transaction of SQLite, so that every connection stays valid and, whatever happens, the
log has all of it or nothing.

A peer may send anything. What does not fit ends with a verdict, and nothing of it is kept; a chunk
that is not the one that was promised is fetched again, and not from the same peer. Trouble of our
own (a disk that is full) ends state sync, and is logged.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from typing import Final

import apsw

from trio_stream.abci.messages import InitChain
from trio_stream.abci.snapshot_messages import (
    ApplyAnswer,
    ChunkVerdict,
    OfferVerdict,
    Snapshot,
)
from trio_stream.ledger.block import Chain, Tip
from trio_stream.ledger.genesis import GenesisError, read_chain
from trio_stream.log.arriving import Arriving, difference
from trio_stream.log.copy import SPARE
from trio_stream.log.errors import CommitLogError, LogLocked, LogOutOfSpace
from trio_stream.log.file import FILE_NAME
from trio_stream.log.rows import stored_chain
from trio_stream.log.snapshot_chunks import unpack
from trio_stream.log.snapshot_head import FORMAT, Head, SnapshotError, read_head
from trio_stream.log.writer import CommitLog

logger = logging.getLogger(__name__)

DIRECTORY: Final = "restoring"
"""In the data directory; what a process left there that was killed is removed."""

_PER_BYTE: Final = 2
_PER_BLOCK: Final = 110
"""Bytes of a log, measured: 304 MB of 172 MB of transactions, and what an empty block takes."""

_TROUBLE: Final = (apsw.Error, CommitLogError, OSError, EOFError)


class Restoring:
    """Restores into this log; one thread at a time, but for `give_up`."""

    def __init__(self, log: CommitLog) -> None:
        self._log = log
        self._directory = log.path.with_name(DIRECTORY)
        self._job: Arriving | None = None
        self._is_here = False
        """Whether the snapshot that was accepted last is what the log holds."""
        self._given_up = False
        self._drop()

    def offer(
        self, snapshot: Snapshot, app_hash: bytes, genesis: InitChain
    ) -> OfferVerdict:
        """Whether to restore this snapshot, after whose height the chain has this hash.

        It takes the place of one that is being restored.
        """
        self._drop()
        if snapshot.format != FORMAT:
            return OfferVerdict.REJECT_FORMAT
        try:
            head = read_head(snapshot)
        except SnapshotError as error:
            logger.warning("a snapshot is refused: %s", error)
            return OfferVerdict.REJECT_SENDER
        if self._given_up:
            return OfferVerdict.ABORT
        tip = self._log.tip()
        try:
            chain = read_chain(genesis)
        except GenesisError as error:
            logger.error("the genesis file can't be used: %s", error)
            return OfferVerdict.ABORT
        if why := self._why_not(head, app_hash, chain, tip):
            logger.warning("the snapshot of height %d is refused: %s", head.height, why)
            return OfferVerdict.REJECT
        if tip == Tip(head.height, head.app_hash):
            self._is_here = True
            return OfferVerdict.ACCEPT
        try:
            self._directory.mkdir()
            self._job = Arriving(self._directory / FILE_NAME, head, chain, tip)
        except _TROUBLE as error:
            logger.error("no snapshot can be restored: %s", error)
            self._drop()
            return OfferVerdict.ABORT
        logger.info(
            "the snapshot of height %d is being restored: %d chunks, %d bytes unpacked",
            *(head.height, snapshot.chunks, head.size),
        )
        return OfferVerdict.ACCEPT

    def apply(self, index: int, chunk: bytes, sender: str) -> ApplyAnswer:
        """Add the next chunk; after the last one, the log holds the snapshot."""
        if self._is_here:
            return ApplyAnswer(ChunkVerdict.ACCEPT)
        if (job := self._job) is None:
            return ApplyAnswer(ChunkVerdict.ABORT)
        if index != job.next:
            self._drop()
            return ApplyAnswer(ChunkVerdict.RETRY_SNAPSHOT)
        try:
            unpacked = unpack(chunk, job.head.digests[index])
        except SnapshotError as error:
            logger.warning("chunk %d from %.80r is refused: %s", index, sender, error)
            senders = (sender,) if sender else ()
            return ApplyAnswer(ChunkVerdict.RETRY, (index,), senders)
        try:
            job.add(unpacked, sender)
            is_last = job.next == len(job.head.digests)
            if is_last:
                job.finish()
        except SnapshotError as error:
            logger.warning(
                "the snapshot of height %d is false: %s", job.head.height, error
            )
            self._drop()
            return ApplyAnswer(ChunkVerdict.REJECT_SNAPSHOT, (), [*job.senders])
        except _TROUBLE as error:
            return self._abort(error)
        if self._given_up:
            return self._abort(None)
        return self._install(job) if is_last else ApplyAnswer(ChunkVerdict.ACCEPT)

    def give_up(self) -> None:
        """Have the call in progress, and all later ones, return ABORT; callable from any thread."""
        self._given_up = True
        if (job := self._job) is not None:
            job.stop()

    def close(self) -> None:
        """Let go of what is being restored; no call may be in progress."""
        self._drop()

    def _why_not(
        self, head: Head, app_hash: bytes, chain: Chain, tip: Tip | None
    ) -> str:
        if head.app_hash.encode() != app_hash:
            return "it promises another app hash than the chain's"
        # What a move says is known once the validators are.
        if not head.moves and (why := difference(head.chain, chain)):
            return why
        ours = stored_chain(self._log.connection)
        if ours is not None and ours.chain_id != head.chain.chain_id:
            return f"the data directory is of chain {ours.chain_id!r:.80}"
        if tip is not None and tip.height > head.height:
            return (
                f"the data directory holds blocks up to {tip.height} already: if the engine has"
                " lost them, move the data directory away first"
            )
        blocks = head.height - head.chain.initial_height + 1
        # The new log, and the write-ahead log through which it takes its place.
        needed = 2 * (_PER_BYTE * head.size + _PER_BLOCK * blocks) + SPARE
        free = shutil.disk_usage(self._log.path.parent).free
        if free < needed:
            return f"it needs about {needed:,} bytes of disk, and {free:,} are free"
        return ""

    def _install(self, job: Arriving) -> ApplyAnswer:
        try:
            done = self._log.take_over(job.log, stopping=lambda: self._given_up)
        except (LogOutOfSpace, LogLocked) as error:
            # Nothing of it is in the log. After any other error the log is in doubt.
            return self._abort(error)
        if not done:
            return self._abort(None)
        # First, or all pages would be on the disk three times.
        self._drop()
        with suppress(apsw.Error):
            # What it does not copy now is copied with the next blocks.
            self._log.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        logger.info("the snapshot of height %d is restored", job.head.height)
        return ApplyAnswer(ChunkVerdict.ACCEPT)

    def _abort(self, error: Exception | None) -> ApplyAnswer:
        """End state sync, for a reason to be logged, or because the daemon stops."""
        if error is not None and not self._given_up:
            logger.error("the snapshot can't be restored: %s", error)
        self._drop()
        return ApplyAnswer(ChunkVerdict.ABORT)

    def _drop(self) -> None:
        """Forget what is being restored, and leave nothing of it on the disk."""
        self._is_here = False
        job, self._job = self._job, None
        if job is not None:
            job.close()
        shutil.rmtree(self._directory, ignore_errors=True)
