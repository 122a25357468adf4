"""Messages about snapshots as values: that nobody changes one, and the numbers on the wire."""

from __future__ import annotations

import dataclasses

import pytest

from trio_stream.abci import snapshot_messages as s


def test_snapshots_are_compared_by_all_that_is_said_of_them() -> None:
    snapshot = s.Snapshot(5, 1, 2, b"hash", b"about")

    assert snapshot == s.Snapshot(5, 1, 2, b"hash", b"about")
    assert snapshot != snapshot._replace(metadata=b"")


def test_messages_cannot_change() -> None:
    assert s.ApplyAnswer(s.ChunkVerdict.RETRY) == s.ApplyAnswer(s.ChunkVerdict.RETRY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        s.ChunkAnswer(b"a").chunk = b"b"  # type: ignore[misc]  # that is what is refused


def test_verdicts_are_the_numbers_that_engines_know() -> None:
    assert list(map(int, s.OfferVerdict)) == [1, 2, 3, 4, 5]
    assert list(map(int, s.ChunkVerdict)) == [1, 2, 3, 4, 5]
