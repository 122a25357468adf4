"""The ABCI messages about snapshots, as values: the same in every dialect that has them.

They come from 0.34 on, on a connection of their own. A node serves its snapshots with
`ListSnapshots` and `LoadSnapshotChunk`; one that joins is given a peer's with `OfferSnapshot` and
then `ApplySnapshotChunk`, chunk by chunk. `abci.messages` has all other messages.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Snapshot(NamedTuple):
    """What peers are told of a snapshot; two that are equal are the same snapshot."""

    height: int
    format: int
    chunks: int
    """How many there are."""
    hash: bytes
    metadata: bytes


class OfferVerdict(enum.IntEnum):
    """What becomes of a snapshot that is offered; the numbers are those on the wire."""

    ACCEPT = 1
    """Its chunks are sent from now on."""
    ABORT = 2
    """The engine gives up state sync."""
    REJECT = 3
    REJECT_FORMAT = 4
    """The engine offers no snapshot of this format any more."""
    REJECT_SENDER = 5
    """The engine offers no snapshot of those who have this one."""


class ChunkVerdict(enum.IntEnum):
    """What becomes of a chunk, or of its snapshot; the numbers are those on the wire."""

    ACCEPT = 1
    ABORT = 2
    """The engine gives up state sync."""
    RETRY = 3
    """The same chunk comes again."""
    RETRY_SNAPSHOT = 4
    """All chunks come again."""
    REJECT_SNAPSHOT = 5
    """The engine offers another snapshot."""


@dataclass(frozen=True, slots=True)
class ListSnapshots:
    """Which snapshots can a peer have of us?"""


@dataclass(frozen=True, slots=True)
class OfferSnapshot:
    """Shall this snapshot be restored?"""

    snapshot: Snapshot
    """As a peer describes it: nothing of it is known to be true."""
    app_hash: bytes
    """The hash after its height, on which the engine's light client relies."""


@dataclass(frozen=True, slots=True)
class LoadSnapshotChunk:
    """A peer wants a piece of a snapshot."""

    height: int
    format: int
    index: int


@dataclass(frozen=True, slots=True)
class ApplySnapshotChunk:
    """A piece of the snapshot that is being restored."""

    index: int
    chunk: bytes
    sender: str
    """The peer that it is from, as the engine calls it."""


@dataclass(frozen=True, slots=True)
class SnapshotsAnswer:
    """The snapshots that a peer can have."""

    snapshots: Sequence[Snapshot]


@dataclass(frozen=True, slots=True)
class OfferAnswer:
    """Whether the snapshot will be restored."""

    verdict: OfferVerdict


@dataclass(frozen=True, slots=True)
class ChunkAnswer:
    """The piece; empty if there is none."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """What became of the piece."""

    verdict: ChunkVerdict
    refetch: Sequence[int] = ()
    """Chunks that are to be fetched again."""
    reject_senders: Sequence[str] = ()
    """Peers from which nothing more is to be fetched."""
