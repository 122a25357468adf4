"""The rows that a chunk of a snapshot makes, worked out from its bytes alone.

This is most of the work of restoring a snapshot, so it happens in processes of its own
(`chunk_readers`), and what comes out are plain values. A peer may have sent anything: where a chunk
can't be what it should be, there is a `SnapshotError`, never another one. What a chunk says is not
known to be true before the chain of app hashes is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from trio_stream.ledger.block import MAX_HEIGHT, MAX_TRANSACTIONS, AcceptedTransaction
from trio_stream.log.block_rows import AcceptedRows, accepted_rows
from trio_stream.log.rows import Row, is_id, position_key
from trio_stream.log.snapshot_chunks import (
    ACCEPTED,
    BLOCK,
    REFUSED,
    read_refused,
    read_time,
    records,
    start_of,
)
from trio_stream.log.snapshot_head import SnapshotError
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.outline import Outline, read_outline
from trio_stream.transactions.searchable import text_of
from trio_stream.transactions.structure import PLAIN, VOTE

Place = tuple[int, int]
"""The height of a block, and the index of its next transaction."""


class BlockPart(NamedTuple):
    """What a chunk holds of one block."""

    height: int
    time: tuple[int, int] | None
    """None if it began in a chunk before."""
    ids: str
    """Of what it accepted, in order, joined."""
    accepted: int
    refused: int


class BallotRow(NamedTuple):
    """An election or a vote."""

    height: int
    election: str
    """Its id, or that of the election that is voted about."""
    votes: Sequence[tuple[Sequence[str], int]] | None
    """Keys and amount of each output of a vote; None for an election."""


class ChunkRows(NamedTuple):
    """All that a chunk makes."""

    begin: Place
    end: Place
    blocks: Sequence[BlockPart]
    accepted: AcceptedRows
    refused: Sequence[Row]
    ballots: Sequence[BallotRow]


def plain(found: ChunkRows) -> Any:
    """The same in tuples and lists of plain values, which `marshal` can write."""
    return (
        found.begin,
        found.end,
        list(map(tuple, found.blocks)),
        tuple(found.accepted),
        found.refused,
        list(map(tuple, found.ballots)),
    )


def from_plain(value: Any) -> ChunkRows:
    """What `plain` was given."""
    begin, end, blocks, accepted, refused, ballots = value
    return ChunkRows(
        begin,
        end,
        [BlockPart(*each) for each in blocks],
        AcceptedRows(*accepted),
        refused,
        [BallotRow(*each) for each in ballots],
    )


def rows_of_chunk(chunk: bytes) -> ChunkRows:
    """Read a chunk of records; raises `SnapshotError`."""
    reading = _Reading(chunk)
    try:
        reading.read(chunk)
        return reading.rows()
    except ValidationError as error:
        raise SnapshotError(f"{type(error).__name__}: {error!s:.200}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SnapshotError(f"a transaction can't be read: {error!r:.200}") from error


class _Reading:
    def __init__(self, chunk: bytes) -> None:
        _, self._height, self._index = start_of(chunk)
        self._begin = self._height, self._index
        self._blocks: list[BlockPart] = []
        self._time: tuple[int, int] | None = None
        self._block: list[AcceptedTransaction] = []
        self._refused_before = 0
        self._accepted: tuple[list[Row], ...] = ([], [], [], [], [], [])
        self._refused: list[Row] = []
        self._ballots: list[BallotRow] = []

    def read(self, chunk: bytes) -> None:
        for kind, value in records(chunk):
            if kind == BLOCK:
                self._end_block()
                self._time = read_time(value)
                self._height, self._index = self._height + 1, 0
                continue
            if self._index >= MAX_TRANSACTIONS or self._height > MAX_HEIGHT:
                raise SnapshotError("a block has too many transactions")
            if kind == ACCEPTED:
                self._accept(value)
            elif kind == REFUSED:
                at = position_key(self._height, self._index)
                self._refused.append((at, *read_refused(value)))
            else:
                raise SnapshotError("a record is of an unknown kind")
            self._index += 1
        self._end_block()

    def rows(self) -> ChunkRows:
        return ChunkRows(
            self._begin,
            (self._height, self._index),
            self._blocks,
            AcceptedRows(*self._accepted),
            self._refused,
            self._ballots,
        )

    def _accept(self, raw: bytes) -> None:
        said = read_outline(raw)
        if said.operation not in PLAIN:
            self._cast(said)
        self._block.append(
            AcceptedTransaction(
                self._index,
                hashlib.sha256(raw).digest(),
                raw,
                said.id,
                said.asset_id,
                said.operation,
                said.outputs,
                said.spends,
                [(key, place, int(stands)) for key, place, stands in said.keys],
                text_of(said.document),
            )
        )

    def _cast(self, said: Outline) -> None:
        if said.operation != VOTE:
            self._ballots.append(BallotRow(self._height, said.id, None))
        elif is_id(said.asset_id):
            votes = [
                (list(each["public_keys"] or ()), int(each["amount"]))
                for each in said.document["outputs"]
            ]
            self._ballots.append(BallotRow(self._height, said.asset_id, votes))

    def _end_block(self) -> None:
        block, refused = self._block, len(self._refused) - self._refused_before
        if self._time is not None or block or refused:
            ids = "".join([each.id for each in block])
            self._blocks.append(
                BlockPart(self._height, self._time, ids, len(block), refused)
            )
        rows = accepted_rows(self._height, block)
        for all_rows, more in zip(self._accepted, rows, strict=True):
            all_rows += more
        self._time, self._block = None, []
        self._refused_before = len(self._refused)
