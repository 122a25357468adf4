"""A snapshot that is being restored, while its chunks arrive."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from trio_stream.ledger.block import Chain, Tip
from trio_stream.log.chunk_readers import chunk_reader
from trio_stream.log.chunk_rows import ChunkRows
from trio_stream.log.digest import digest
from trio_stream.log.moves import chain_in_force
from trio_stream.log.rebuilding import Rebuilding
from trio_stream.log.snapshot_chunks import (
    PIECE,
    RECORDS,
    TRANSACTION_LIMIT,
    Start,
    piece_of,
    start_of,
    whole,
)
from trio_stream.log.snapshot_head import Head, SnapshotError

MAX_SENDERS: Final = 100
"""Peers that are remembered, to be rejected if the snapshot turns out to be a lie."""


class Arriving:
    """What has arrived of a snapshot, as a log in a file of its own; used by one thread at a time.

    `chain` is what the genesis file says, `known` the tip of the log that it is to replace.
    """

    def __init__(self, path: Path, head: Head, chain: Chain, known: Tip | None) -> None:
        self.head = head
        self._path = path
        self._chain = chain
        self.next = 0
        """The chunk that is due."""
        self.senders: dict[str, None] = {}
        """Of the chunks so far."""
        self._size = 0
        self._pieces: list[bytes] = []
        """Of a large transaction; at most `TRANSACTION_LIMIT`, and one chunk more."""
        self._pieces_start = Start(PIECE, 0, 0)
        self._log = Rebuilding(path, head, known)
        self._reader = chunk_reader(head.size)

    @property
    def log(self) -> apsw.Connection:
        """The log that the snapshot makes; complete after `finish`."""
        return self._log.connection

    def add(self, chunk: bytes, sender: str) -> None:
        """Add the next chunk. Raises `SnapshotError` if this or an earlier one can't be right."""
        if sender and len(self.senders) < MAX_SENDERS:
            self.senders[sender] = None
        self.next += 1
        self._size += len(chunk)
        if self._size > self.head.size:
            raise SnapshotError(f"it has more than the {self.head.size} bytes promised")
        joined = self._join(chunk)
        if joined is not None:
            self._add_all(self._reader.give(joined))

    def finish(self) -> None:
        """Complete the log. Raises `SnapshotError` if it is not what was promised."""
        if self._pieces:
            raise SnapshotError("its last transaction is cut off")
        self._add_all(self._reader.rest())
        self._log.finish()
        self._compare(chain_in_force(self.log))

    def stop(self) -> None:
        """Have the call in progress in another thread raise something soon."""
        self._reader.stop()
        with suppress(apsw.Error):
            self._log.connection.interrupt()

    def close(self) -> None:
        """Let go of the file and of all processes."""
        self._reader.close()
        self._log.close()

    def _compare(self, found: Chain | None) -> None:
        assert found is not None
        if why := difference(found, self._chain):
            raise SnapshotError(why)
        if (end := found.continues) is not None:
            # As InitChain of such a chain does, on a node that has followed it.
            ours = digest(self.log, self._path, height=end.height).digest
            if ours != end.digest:
                raise SnapshotError(f"the digest of its log is {ours} at {end.height}")

    def _add_all(self, found: Iterable[ChunkRows]) -> None:
        for each in found:
            self._log.add(each)

    def _join(self, chunk: bytes) -> bytes | None:
        """The chunk; or, if it holds a transaction's last piece, one that holds the whole."""
        start = start_of(chunk)
        due = (self._pieces_start.height, self._pieces_start.index)
        if self._pieces and (start.kind == RECORDS or start[1:] != due):
            raise SnapshotError("a transaction is cut off")
        if start.kind == RECORDS:
            return chunk
        self._pieces_start = start
        self._pieces.append(piece_of(chunk))
        if sum(map(len, self._pieces)) > TRANSACTION_LIMIT:
            raise SnapshotError("a transaction is larger than any block")
        if start.kind == PIECE:
            return None
        raw = b"".join(self._pieces)
        self._pieces.clear()
        return whole(start, raw)


def difference(chain: Chain, ours: Chain) -> str:
    """What a snapshot says of its chain that the genesis file does not; empty if nothing.

    The start of the chain of app hashes needs no look: all hashes follow from it.
    """
    for name in ("chain_id", "rules", "initial_height", "genesis_time", "continues"):
        told, known = getattr(chain, name), getattr(ours, name)
        if told != known:
            return f"its {name} is {told!r:.200}, and the genesis file's {known!r:.200}"
    # Engines differ in their order.
    if sorted(chain.validators) != sorted(ours.validators):
        return "its first validators are not those of the genesis file"
    return ""
