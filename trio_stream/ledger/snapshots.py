"""State sync: serving snapshots to nodes that join, and restoring one on a node that does.

A node that joins in this way gets a copy of a peer's log instead of all blocks. Its engine offers
what peers describe, with the app hash that its light client trusts for that height, then sends the
chunks in order, and expects Info to give that height and hash after the last one. It skips
InitChain, so the chain that a snapshot begins with is compared with the engine's own genesis file.

What a snapshot looks like, and whether one can be believed, is the store's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from trio_stream.abci.messages import Answer, InitChain, Request
from trio_stream.abci.snapshot_messages import (
    ApplyAnswer,
    ApplySnapshotChunk,
    ChunkAnswer,
    ChunkVerdict,
    ListSnapshots,
    LoadSnapshotChunk,
    OfferAnswer,
    OfferSnapshot,
    OfferVerdict,
    Snapshot,
    SnapshotsAnswer,
)

ReadGenesis = Callable[[], InitChain]
"""What InitChain would say, were it sent; raises `GenesisUnknown`."""


class GenesisUnknown(Exception):
    """The engine does not say what is in its genesis file; the text says why."""


class Snapshots(Protocol):
    """Snapshots on disk. Called beside everything else."""

    def available(self) -> Sequence[Snapshot]:
        """What peers can have, the newest first."""
        ...

    def chunk(self, height: int, format: int, index: int) -> bytes:
        """A piece of one of them; empty if there is none."""
        ...


class Restoring(Protocol):
    """The snapshot that is being restored, if there is one."""

    def offer(
        self, snapshot: Snapshot, app_hash: bytes, genesis: InitChain
    ) -> OfferVerdict:
        """Whether to restore this snapshot, in place of another one that was begun.

        The log may have blocks: it had all of them when the engine stopped before it knew.
        """
        ...

    def apply(self, index: int, chunk: bytes, sender: str) -> ApplyAnswer:
        """Take a chunk. The last one is accepted when everything is verified and durable."""
        ...

    def give_up(self) -> None:
        """Have `apply` return soon, in another thread, with an end of state sync."""
        ...


class NoSnapshots:
    """For nodes that neither serve snapshots nor restore them."""

    def available(self) -> Sequence[Snapshot]:
        return ()

    def chunk(self, height: int, format: int, index: int) -> bytes:
        return b""

    def offer(
        self, snapshot: Snapshot, app_hash: bytes, genesis: InitChain
    ) -> OfferVerdict:
        return OfferVerdict.ABORT

    def apply(self, index: int, chunk: bytes, sender: str) -> ApplyAnswer:
        return ApplyAnswer(ChunkVerdict.ABORT)

    def give_up(self) -> None:
        pass


class StateSync:
    """Answers requests about snapshots."""

    def __init__(
        self,
        snapshots: Snapshots,
        restoring: Restoring,
        read_genesis: ReadGenesis,
        *,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._snapshots = snapshots
        self._restoring = restoring
        self._read_genesis = read_genesis
        self._warn = warn

    @classmethod
    def off(cls) -> StateSync:
        """Without snapshots."""
        nothing = NoSnapshots()
        return cls(nothing, nothing, _no_genesis)

    def give_up(self) -> None:
        """Have a request that is being answered in another thread end soon."""
        self._restoring.give_up()

    def answer(self, request: Request) -> Answer | None:
        """The answer, if the request is about snapshots."""
        match request:
            case ListSnapshots():
                return SnapshotsAnswer(self._snapshots.available())
            case LoadSnapshotChunk(height, number, index):
                return ChunkAnswer(self._snapshots.chunk(height, number, index))
            case OfferSnapshot(snapshot, app_hash):
                return OfferAnswer(self._offer(snapshot, app_hash))
            case ApplySnapshotChunk(index, chunk, sender):
                return self._restoring.apply(index, chunk, sender)
        return None

    def _offer(self, snapshot: Snapshot, app_hash: bytes) -> OfferVerdict:
        try:
            genesis = self._read_genesis()
        except GenesisUnknown as unknown:
            self._warn(
                "no snapshot is restored, because the engine does not say what is in its genesis"
                f" file: {unknown}. Set node to the address of its RPC, and start it again"
            )
            return OfferVerdict.ABORT
        return self._restoring.offer(snapshot, app_hash, genesis)


def _no_genesis() -> InitChain:
    raise GenesisUnknown("nobody can be asked for it")
