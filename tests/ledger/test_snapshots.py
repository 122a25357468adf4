"""Requests about snapshots: what each asks of the store, and of the engine."""

from __future__ import annotations

import pytest

from trio_stream.abci import messages
from trio_stream.abci import snapshot_messages as s
from trio_stream.ledger.snapshots import GenesisUnknown, NoSnapshots, StateSync

SNAPSHOT = s.Snapshot(5, 1, 2, b"hash", b"about")
GENESIS = messages.InitChain(messages.Time(0, 0), "test-chain", (), b"", 1, False)


class FakeSnapshots:
    """Serves one snapshot, and restores what it is offered."""

    def __init__(self):
        self.asked = []

    def available(self):
        return [SNAPSHOT]

    def chunk(self, height, format, index):
        return b"%d %d %d" % (height, format, index)

    def offer(self, snapshot, app_hash, genesis):
        self.asked.append((snapshot, app_hash, genesis))
        return s.OfferVerdict.ACCEPT

    def apply(self, index, chunk, sender):
        self.asked.append((index, chunk, sender))
        return s.ApplyAnswer(s.ChunkVerdict.RETRY, (index,), (sender,))

    def give_up(self):
        self.asked.append("give up")


@pytest.fixture
def fake():
    return FakeSnapshots()


@pytest.fixture
def sync(fake):
    return StateSync(fake, fake, lambda: GENESIS)


def test_what_is_on_disk_is_served(sync):
    assert sync.answer(s.ListSnapshots()) == s.SnapshotsAnswer([SNAPSHOT])
    assert sync.answer(s.LoadSnapshotChunk(5, 1, 7)) == s.ChunkAnswer(b"5 1 7")


def test_an_offer_is_judged_with_the_genesis_file_that_the_engine_has(sync, fake):
    answer = sync.answer(s.OfferSnapshot(SNAPSHOT, b"trusted"))
    assert answer == s.OfferAnswer(s.OfferVerdict.ACCEPT)
    assert fake.asked == [(SNAPSHOT, b"trusted", GENESIS)]


def test_state_sync_ends_if_the_genesis_file_is_not_known(fake):
    warnings: list[str] = []

    def unknown():
        raise GenesisUnknown("http://here: refused")

    sync = StateSync(fake, fake, unknown, warn=warnings.append)
    answer = sync.answer(s.OfferSnapshot(SNAPSHOT, b"trusted"))
    assert answer == s.OfferAnswer(s.OfferVerdict.ABORT)
    assert fake.asked == []
    assert len(warnings) == 1 and "http://here: refused" in warnings[0]


def test_a_chunk_is_applied_and_its_verdict_passed_on(sync, fake):
    answer = sync.answer(s.ApplySnapshotChunk(1, b"chunk", "peer"))
    assert answer == s.ApplyAnswer(s.ChunkVerdict.RETRY, (1,), ("peer",))
    assert fake.asked == [(1, b"chunk", "peer")]


def test_what_is_being_restored_can_be_given_up(sync, fake):
    sync.give_up()
    assert fake.asked == ["give up"]


def test_other_requests_are_not_its_business(sync):
    assert sync.answer(messages.Commit()) is None


def test_a_node_without_snapshots_serves_and_restores_none():
    sync = StateSync.off()
    assert sync.answer(s.ListSnapshots()) == s.SnapshotsAnswer(())
    assert sync.answer(s.LoadSnapshotChunk(5, 1, 0)) == s.ChunkAnswer(b"")
    offered = sync.answer(s.OfferSnapshot(SNAPSHOT, b""))
    assert offered == s.OfferAnswer(s.OfferVerdict.ABORT)
    none = NoSnapshots()
    assert none.offer(SNAPSHOT, b"", GENESIS) == s.OfferVerdict.ABORT
    assert none.apply(0, b"", "").verdict == s.ChunkVerdict.ABORT
    sync.give_up()
