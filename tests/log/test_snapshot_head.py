"""What a snapshot says of itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.abci.messages import Time
from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.ledger.block import Chain
from trio_stream.log.snapshot_head import (
    FORMAT,
    MAX_CHUNKS,
    METADATA_LIMIT,
    Head,
    Move,
    SnapshotError,
    describe,
    read_head,
)
from trio_stream.transactions.elections import Validator

CHAIN = Chain("chain", 1, "", 3, Time(5, 6), (Validator("ed25519", b"key", 7),))
MOVE = Move(9, "next", 1, "ab", 1, 2, "cd")
HEAD = Head(CHAIN, [MOVE], 12, "ab" * 32, 1_000, [b"a" * 32, b"b" * 32])


def sealed(snapshot: Snapshot) -> Snapshot:
    """With the hash of what it says."""
    height, form, chunks, _, metadata = snapshot
    numbers = form.to_bytes(4) + height.to_bytes(8) + chunks.to_bytes(4)
    return snapshot._replace(hash=hashlib.sha256(numbers + metadata).digest())


def described(**changes: Any) -> Snapshot:
    """A description whose JSON has been changed."""
    snapshot = describe(HEAD)
    length = int.from_bytes(snapshot.metadata[:4])
    told = json.loads(snapshot.metadata[4 : 4 + length]) | changes
    text = json.dumps(told).encode()
    metadata = len(text).to_bytes(4) + text + snapshot.metadata[4 + length :]
    return sealed(snapshot._replace(metadata=metadata))


def test_a_description_can_be_read_again() -> None:
    snapshot = describe(HEAD)
    assert snapshot[:3] == (12, FORMAT, 2)
    assert snapshot == sealed(snapshot)
    assert read_head(snapshot) == HEAD
    assert read_head(described()) == HEAD


def test_a_log_that_was_never_moved() -> None:
    head = HEAD._replace(moves=[])
    assert read_head(describe(head)) == head


def test_what_is_the_same_is_described_in_the_same_way() -> None:
    chain = dataclasses.replace(CHAIN)
    assert describe(HEAD._replace(chain=chain)) == describe(HEAD)
    other = HEAD._replace(digests=[b"a" * 32, b"c" * 32])
    assert describe(other).hash != describe(HEAD).hash


@pytest.mark.parametrize(
    "snapshot, reason",
    [
        (describe(HEAD)._replace(hash=b"x"), "its hash is not that of its metadata"),
        (describe(HEAD)._replace(height=13), "its hash is not that of its metadata"),
        (describe(HEAD)._replace(height=-1), "a number is too large"),
        (describe(HEAD)._replace(chunks=0), "0 chunks"),
        (describe(HEAD)._replace(chunks=MAX_CHUNKS + 1), "100001 chunks"),
        (
            sealed(describe(HEAD)._replace(metadata=b"x" * (METADATA_LIMIT + 1))),
            "3900001 bytes of metadata",
        ),
        (sealed(describe(HEAD)._replace(chunks=3)), "not one hash for each chunk"),
        (sealed(describe(HEAD)._replace(metadata=b"")), "can't be read"),
        (sealed(describe(HEAD)._replace(metadata=b"\0\0\0\1[")), "can't be read"),
        (sealed(describe(HEAD)._replace(height=2)), "it ends at height 2"),
        (sealed(describe(HEAD)._replace(height=1 << 40)), "it ends at height"),
        (described(initial_height=0), "it ends at height 12"),
        (described(chain_id=None, validators=[[1, 2]]), "can't be read"),
        (described(genesis_time=[1]), "can't be read"),
        (described(size="much"), "can't be read"),
        (described(moves=[[1]]), "can't be read"),
        (described(validators=[["ed25519", "xy", 1]]), "can't be read"),
    ],
)
def test_what_is_no_description(snapshot: Snapshot, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        read_head(snapshot)


@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_metadata_is_read_or_refused(metadata: bytes, chunks: int) -> None:
    try:
        head = read_head(sealed(Snapshot(5, FORMAT, chunks, b"", metadata)))
    except SnapshotError:
        return
    assert len(head.digests) == chunks
