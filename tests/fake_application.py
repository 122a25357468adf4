"""An ABCI application that keeps nothing but counts, for tests of what drives it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s

T = TypeVar("T")

BESIDE = (m.Info, s.ListSnapshots, s.LoadSnapshotChunk)
"""What is not answered in the state machine's thread."""


async def run_inline(
    sync_fn: Callable[[], T], *, limiter: trio.CapacityLimiter | None = None
) -> T:
    """A `run_sync` without a thread, for tests with a mock clock."""
    await trio.lowlevel.checkpoint()
    return sync_fn()


class FakeApplication:
    """Accepts what does not begin with `bad`; its hash is the height as text.

    A snapshot is restored as soon as its last chunk is applied, whatever the chunks hold.
    `before` is called with each request before it is answered, in the worker thread.
    """

    def __init__(self, before: Callable[[m.Request], None] | None = None) -> None:
        self.height = 0
        self.asked: list[tuple[m.Request, int]] = []
        self.disowned: list[int] = []
        self.prepared: list[tuple[m.Request, ...]] = []
        self.threads: set[int] = set()
        self.quick = False
        self.given_up = False
        self.snapshots: dict[s.Snapshot, list[bytes]] = {}
        """Those that it serves, and their chunks."""
        self._before = before
        self._results: list[m.TxResult] = []

    @property
    def requests(self) -> list[m.Request]:
        return [request for request, _ in self.asked]

    def disown(self, owner: int) -> None:
        self.disowned.append(owner)

    def give_up(self) -> None:
        self.given_up = True

    def is_quick(self, requests: Sequence[m.Request]) -> bool:
        return self.quick

    def prepare(self, requests: Sequence[m.Request]) -> None:
        self.prepared.append(tuple(requests))

    def answer(self, request: m.Request, *, owner: int) -> m.Answer:
        self.asked.append((request, owner))
        if not isinstance(request, BESIDE):
            self.threads.add(threading.get_ident())
        if self._before is not None:
            self._before(request)
        match request:
            case m.Info():
                return m.InfoAnswer("fake", self.height, self._hash(self.height))
            case m.InitChain():
                return m.InitChainAnswer(b"start")
            case m.CheckTx(tx) | m.DeliverTx(tx):
                return _verdict(tx)
            case m.BeginBlock():
                return m.Done()
            case m.EndBlock():
                return m.EndBlockAnswer()
            case m.FinalizeBlock(txs, height, _):
                if height != self.height + 1:
                    return m.Failure(f"block {height} does not follow {self.height}")
                results = [_verdict(tx) for tx in txs]
                return m.FinalizeBlockAnswer(results, self._hash(height))
            case m.Commit():
                self.height += 1
                return m.CommitAnswer(self._hash(self.height))
            case s.ListSnapshots():
                return s.SnapshotsAnswer(tuple(self.snapshots))
            case s.LoadSnapshotChunk(height, _, index):
                found = [c for n, c in self.snapshots.items() if n.height == height]
                return s.ChunkAnswer(found[0][index] if found else b"")
            case s.OfferSnapshot(snapshot, _):
                self.restoring = snapshot
                return s.OfferAnswer(s.OfferVerdict.ACCEPT)
            case s.ApplySnapshotChunk(index, _, _):
                if index == self.restoring.chunks - 1:
                    self.height = self.restoring.height
                return s.ApplyAnswer(s.ChunkVerdict.ACCEPT)
        raise AssertionError(f"{request!r} needs no state")

    def _hash(self, height: int) -> bytes:
        return str(height).encode() if height else b""


def _verdict(tx: bytes) -> m.TxResult:
    return m.TxResult(1, "bad") if tx.startswith(b"bad") else m.TxResult(0)
