"""The contents of a snapshot as bytes."""

from __future__ import annotations

import hashlib
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.ledger.block import REASON_LIMIT
from trio_stream.log import snapshot_chunks
from trio_stream.log.snapshot_chunks import (
    ACCEPTED,
    BLOCK,
    CHUNK_LIMIT,
    LAST_PIECE,
    PIECE,
    RECORDS,
    REFUSED,
    ChunkWriter,
    Start,
    pack,
    piece_of,
    read_refused,
    read_time,
    records,
    start_of,
    unpack,
    whole,
)
from trio_stream.log.snapshot_head import SnapshotError

SMALL = 100
SHA256 = b"\xab" * 32
HEX = SHA256.hex()
LONG = "x" * (REASON_LIMIT + 1)
NO_REFUSALS: list[list[object]] = [
    [1, None, "a", "b"],
    [HEX[2:], None, "a", "b"],
    [f" {HEX[1:]}", None, "a", "b"],
    [HEX, "id", "a", "b"],
    [HEX, 5, "a", "b"],
    [HEX, None, "a", 5],
    [HEX, None, [], "b"],
    [HEX, None, LONG, "b"],
    [HEX, None, "a", LONG],
    [HEX, None, "a"],
]


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_chunks, "CHUNK_BYTES", SMALL)


def test_one_chunk() -> None:
    writer = ChunkWriter(7)
    writer.add_block(-5, 6)
    writer.add_transaction(b"{}")
    writer.add_refused(SHA256, None, "Error", "\u00e9")
    assert writer.take() == []
    (chunk,) = writer.end()
    assert start_of(chunk) == Start(RECORDS, 6, 0)
    kinds, (time, raw, refused) = zip(*records(chunk), strict=True)
    assert kinds == (BLOCK, ACCEPTED, REFUSED)
    assert read_time(time) == (-5, 6) and raw == b"{}"
    assert read_refused(refused) == (SHA256, None, "Error", "\u00e9")
    assert writer.end() == []


@pytest.mark.usefixtures("small")
def test_chunks_say_where_they_begin() -> None:
    writer = ChunkWriter(7)
    for _ in range(2):
        writer.add_block(1, 2)
        for size in (90, 50, 60):
            writer.add_transaction(b"x" * size)
    chunks = writer.take() + writer.end()
    starts = [start_of(chunk)[1:] for chunk in chunks]
    assert starts == [(6, 0), (7, 1), (7, 3), (8, 1)]
    values = [value for chunk in chunks for kind, value in records(chunk)]
    assert [len(value) for value in values] == [12, 90, 50, 60, 12, 90, 50, 60]


@pytest.mark.usefixtures("small")
def test_a_large_transaction_is_cut() -> None:
    writer = ChunkWriter(7)
    writer.add_block(1, 2)
    raw = bytes(range(250))
    writer.add_transaction(raw)
    writer.add_transaction(b"{}")
    first, *pieces, last = writer.end()
    assert start_of(first) == Start(RECORDS, 6, 0)
    kinds = [PIECE, PIECE, LAST_PIECE]
    assert [start_of(each) for each in pieces] == [Start(kind, 7, 0) for kind in kinds]
    joined = b"".join(map(piece_of, pieces))
    assert joined == raw
    chunk = whole(start_of(pieces[-1]), joined)
    assert start_of(chunk) == Start(RECORDS, 7, 0)
    assert list(records(chunk)) == [(ACCEPTED, raw)]
    assert start_of(last) == Start(RECORDS, 7, 1)


def test_only_the_promised_chunk_is_unpacked() -> None:
    chunk = b"chunk" * 100
    digest = hashlib.sha256(chunk).digest()
    assert unpack(pack(chunk), digest) == chunk
    # Not every zlib makes the same bytes.
    assert unpack(zlib.compress(chunk, 0), digest) == chunk
    for wrong in (b"", b"nonsense", pack(chunk)[:-1], pack(chunk) + b"x", pack(b"")):
        with pytest.raises(SnapshotError):
            unpack(wrong, digest)


def test_a_chunk_that_unpacks_without_end_is_refused() -> None:
    bomb = bytes(CHUNK_LIMIT + 1)
    with pytest.raises(SnapshotError):
        unpack(pack(bomb), hashlib.sha256(bomb).digest())


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"\x03" + bytes(12),
        b"\0" + b"\xff" * 8 + bytes(4),
        b"\0" + bytes(8) + b"\xff" * 4,
    ],
)
def test_how_no_chunk_begins(chunk: bytes) -> None:
    with pytest.raises(SnapshotError):
        start_of(chunk)


@pytest.mark.parametrize("rest", [b"B", b"T\0\0\0\3{}", b"T\xff\xff\xff\xff{}"])
def test_records_that_are_cut_off(rest: bytes) -> None:
    with pytest.raises(SnapshotError, match="cut off"):
        list(records(bytes(13) + rest))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"5",
        b"[",
        b"[" * 90_000,
        *map(encoded, NO_REFUSALS),
    ],
)
def test_what_is_no_refusal(value: bytes) -> None:
    with pytest.raises(SnapshotError):
        read_refused(value)


@pytest.mark.parametrize("value", [b"1234", bytes(8) + (10**9).to_bytes(4)])
def test_what_is_no_time(value: bytes) -> None:
    with pytest.raises(SnapshotError):
        read_time(value)
    with pytest.raises(SnapshotError):
        ChunkWriter(1).add_block(0, 1 << 32)


entry = st.one_of(
    st.tuples(st.just("block"), st.integers(-5, 5), st.integers(0, 9)),
    st.tuples(st.just("transaction"), st.binary(max_size=300)),
    st.tuples(
        st.just("refused"),
        st.binary(min_size=32, max_size=32),
        st.none() | st.text("ab", min_size=64, max_size=64),
        st.text("c", max_size=9),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    ),
)


@given(st.lists(entry, max_size=30))
def test_what_is_written_can_be_read(entries: list[tuple[object, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_chunks, "CHUNK_BYTES", SMALL)
        writer = ChunkWriter(1)
        chunks: list[bytes] = []
        for kind, *values in entries:
            getattr(writer, f"add_{kind}")(*values)
            chunks += writer.take()
        chunks += writer.end()
    assert _read_all(chunks) == entries


def _read_all(chunks: list[bytes]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    pieces: list[bytes] = []
    for chunk in chunks:
        if start_of(chunk).kind != RECORDS:
            pieces.append(piece_of(chunk))
            if start_of(chunk).kind == PIECE:
                continue
            chunk = whole(start_of(chunk), b"".join(pieces))
            pieces.clear()
        for kind, value in records(chunk):
            if kind == BLOCK:
                found.append(("block", *read_time(value)))
            elif kind == ACCEPTED:
                found.append(("transaction", value))
            else:
                found.append(("refused", *read_refused(value)))
    assert not pieces
    return found
