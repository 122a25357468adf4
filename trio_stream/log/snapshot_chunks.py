"""The contents of a snapshot as bytes: the same on every node, for the same blocks.

A snapshot holds what the engine has delivered, and nothing that follows from it: each block's time,
the bytes of the transactions that it accepted, and the refusals. Whoever restores it works out all
other rows. These bytes are cut into chunks:

    chunk    = zlib of: kind (1 byte), height (8), index (4), contents
    contents = records, if the kind is 0; else a piece of one large transaction (1), or its last (2)
    record   = kind (1 byte), length (4), value

    B  a block begins, of the next height: seconds (8 bytes, signed), nanoseconds (4)
    T  an accepted transaction, as the engine gave it
    R  a refused one: JSON, [SHA-256 in hexadecimal, id or null, error, reason]

All numbers are big-endian. Height and index are those of the block in progress, and of its next
transaction, where the chunk begins; the first chunk has the height before the chain's first. So
each chunk can be read by itself.

Chunks are hashed before they are compressed, since not every zlib makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from trio_stream.ledger.block import MAX_HEIGHT, MAX_TRANSACTIONS, REASON_LIMIT
from trio_stream.log.snapshot_head import SnapshotError
from trio_stream.stream.messages import LAST_NANO
from trio_stream.transactions.ids import ID

CHUNK_BYTES: Final = 4 << 20
"""Before compression; the record that exceeds it is the chunk's last. Engines carry 16 MB."""
CHUNK_LIMIT: Final = 2 * CHUNK_BYTES + (64 << 10)
"""No chunk is larger: a transaction of more than `CHUNK_BYTES` is cut, a refusal has limits."""
TRANSACTION_LIMIT: Final = 100 << 20
"""An engine's block has no more."""

LEVEL: Final = 6
"""Of zlib. Measured on transactions: 97 MB per second, to 18 %. Level 1 takes half the time, to
21 %; the fastest of lzma takes four times as long, to 19 %. An engine sends a peer 5 MB per second.
"""

RECORDS, PIECE, LAST_PIECE = range(3)
BLOCK, ACCEPTED, REFUSED = b"BTR"

_START: Final = struct.Struct(">BQI")
_RECORD: Final = struct.Struct(">BI")
_TIME: Final = struct.Struct(">qI")


class Start(NamedTuple):
    """How a chunk begins."""

    kind: int
    height: int
    index: int  # type: ignore[assignment]  # in place of tuple.index


class ChunkWriter:
    """Makes chunks of what a log holds, added in the chain's order."""

    def __init__(self, first: int) -> None:
        self._height, self._index = first - 1, 0
        self._ready: list[bytes] = []
        self._begin()

    def add_block(self, seconds: int, nanos: int) -> None:
        """Begin the next block; raises `SnapshotError` if it has an impossible time."""
        try:
            time = _TIME.pack(seconds, nanos)
        except struct.error as error:
            raise SnapshotError("a block's time can't be written") from error
        self._add(BLOCK, time)
        self._height, self._index = self._height + 1, 0
        self._cut()

    def add_transaction(self, raw: bytes) -> None:
        """Add the block's next transaction, which was accepted."""
        if len(raw) > CHUNK_BYTES:
            self._add_pieces(raw)
            return
        self._add(ACCEPTED, raw)
        self._index += 1
        self._cut()

    def add_refused(
        self, sha256: bytes, transaction_id: str | None, error: str, reason: str
    ) -> None:
        """Add the block's next transaction, which was refused."""
        text = json.dumps([sha256.hex(), transaction_id, error, reason])
        self._add(REFUSED, text.encode())
        self._index += 1
        self._cut()

    def take(self) -> list[bytes]:
        """The chunks that are complete, not compressed."""
        ready, self._ready = self._ready, []
        return ready

    def end(self) -> list[bytes]:
        """The last chunks."""
        self._flush()
        return self.take()

    def _begin(self, kind: int = RECORDS) -> None:
        self._parts = [_START.pack(kind, self._height, self._index)]
        self._size = 0

    def _add(self, kind: int, value: bytes) -> None:
        self._parts += (_RECORD.pack(kind, len(value)), value)
        self._size += _RECORD.size + len(value)

    def _cut(self) -> None:
        if self._size >= CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._size:
            self._ready.append(b"".join(self._parts))
            self._begin()

    def _add_pieces(self, raw: bytes) -> None:
        self._flush()
        for at in range(0, len(raw), CHUNK_BYTES):
            piece = raw[at : at + CHUNK_BYTES]
            last = at + CHUNK_BYTES >= len(raw)
            self._begin(LAST_PIECE if last else PIECE)
            self._parts.append(piece)
            self._size = len(piece)
            self._flush()
        self._index += 1
        self._begin()


def pack(chunk: bytes) -> bytes:
    """The chunk as peers get it."""
    return zlib.compress(chunk, LEVEL)


def unpack(packed: bytes, digest: bytes) -> bytes:
    """The chunk with this SHA-256; raises `SnapshotError` if it is another one."""
    reader = zlib.decompressobj()
    try:
        chunk = reader.decompress(packed, CHUNK_LIMIT + 1)
    except zlib.error as error:
        raise SnapshotError(str(error)) from error
    whole = reader.eof and not reader.unused_data and len(chunk) <= CHUNK_LIMIT
    if not whole or hashlib.sha256(chunk).digest() != digest:
        raise SnapshotError("its contents are not those that the snapshot promises")
    return chunk


def start_of(chunk: bytes) -> Start:
    """How the chunk begins; raises `SnapshotError`."""
    if len(chunk) < _START.size:
        raise SnapshotError("a chunk is too short")
    start = Start(*_START.unpack_from(chunk))
    _, height, index = start
    if start.kind > LAST_PIECE or height > MAX_HEIGHT or index > MAX_TRANSACTIONS:
        raise SnapshotError("a chunk begins in an unknown way")
    return start


def piece_of(chunk: bytes) -> bytes:
    """What a chunk holds that is a piece of a transaction."""
    return chunk[_START.size :]


def whole(start: Start, raw: bytes) -> bytes:
    """The chunk that holds one transaction, joined of its pieces, which began at `start`."""
    head = _START.pack(RECORDS, start.height, start.index)
    return b"".join([head, _RECORD.pack(ACCEPTED, len(raw)), raw])


def records(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each record; raises `SnapshotError` where there is no whole one."""
    at, end = _START.size, len(chunk)
    while at < end:
        if end - at < _RECORD.size:
            raise SnapshotError("a record is cut off")
        kind, length = _RECORD.unpack_from(chunk, at)
        at += _RECORD.size
        value = chunk[at : at + length]
        at += length
        if len(value) != length:
            raise SnapshotError("a record is cut off")
        yield kind, value


def read_time(value: bytes) -> tuple[int, int]:
    """Seconds and nanoseconds of a block; raises `SnapshotError`."""
    if len(value) != _TIME.size:
        raise SnapshotError("a block's time can't be read")
    seconds, nanos = _TIME.unpack(value)
    if nanos > LAST_NANO:
        raise SnapshotError("a block's time can't be read")
    return seconds, nanos


def read_refused(value: bytes) -> tuple[bytes, str | None, str, str]:
    """What `ChunkWriter.add_refused` was given; raises `SnapshotError`."""
    try:
        sha256, transaction_id, name, reason = json.loads(value)
        if not ID.fullmatch(sha256) or max(len(name), len(reason)) > REASON_LIMIT:
            raise ValueError("not as a node writes it")
        if transaction_id is not None and not ID.fullmatch(transaction_id):
            raise ValueError("no id")
        if not (isinstance(name, str) and isinstance(reason, str)):
            raise ValueError("not texts")
        return bytes.fromhex(sha256), transaction_id, name, reason
    except (ValueError, TypeError, RecursionError) as error:
        raise SnapshotError("a refusal can't be read") from error
