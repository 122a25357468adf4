"""A snapshot while its chunks arrive."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.signing import create, encode
from tests.ledger.chains import ALICE
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain, Continued, next_app_hash
from trio_stream.log import arriving, snapshot_chunks
from trio_stream.log.arriving import MAX_SENDERS, Arriving, difference
from trio_stream.log.digest import digest
from trio_stream.log.rows import rows
from trio_stream.log.snapshot_chunks import ChunkWriter
from trio_stream.log.snapshot_head import Head, Move, SnapshotError
from trio_stream.transactions.elections import Validator

ONE, TWO = Validator("ed25519", b"1", 1), Validator("ed25519", b"2", 2)
CHAIN = Chain("chain", 1, "", 1, Time(0, 0), (ONE, TWO))
MADE = create(ALICE, data={"text": "long " * 100})
HASH = next_app_hash("", [MADE["id"]])


def written(
    *, chunk_bytes: int = 200, blocks: int = 2, moves: tuple[Move, ...] = ()
) -> tuple[Head, list[bytes]]:
    """One large transaction and, in the last chunk, nothing but blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_chunks, "CHUNK_BYTES", chunk_bytes)
        writer = ChunkWriter(1)
        writer.add_block(1, 2)
        writer.add_transaction(encode(MADE))
        for _ in range(blocks - 1):
            writer.add_block(3, 4)
        chunks = writer.take() + writer.end()
    size = sum(map(len, chunks))
    return Head(CHAIN, moves, blocks, HASH, size, [b""] * len(chunks)), chunks


Open = Callable[..., Arriving]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Open]:
    opened = []

    def begin(head: Head, chain: Chain = CHAIN) -> Arriving:
        found = Arriving(tmp_path / "log.db", head, chain, None)
        opened.append(found)
        return found

    yield begin
    for each in opened:
        each.close()


def test_a_transaction_in_pieces(begin: Open) -> None:
    head, chunks = written()
    assert len(chunks) > 4
    found = begin(head)
    for index, chunk in enumerate(chunks):
        assert found.next == index
        found.add(chunk, f"peer{index % 2}")
    found.finish()
    assert list(found.senders) == ["peer0", "peer1"]
    assert rows(found.log, "SELECT raw FROM bodies") == [(encode(MADE),)]


def test_a_transaction_without_its_end(begin: Open) -> None:
    head, chunks = written()
    found = begin(head)
    for chunk in chunks[:3]:
        found.add(chunk, "")
    assert not found.senders
    with pytest.raises(SnapshotError, match="is cut off"):
        found.finish()


@pytest.mark.parametrize("after", [0, 5])
def test_a_transaction_whose_pieces_do_not_fit(begin: Open, after: int) -> None:
    head, chunks = written()
    found = begin(head)
    found.add(chunks[0], "")
    found.add(chunks[1], "")
    # Records, or a piece that belongs elsewhere.
    other = chunks[0] if not after else b"\1" + bytes(7) + b"\5" + chunks[2][9:]
    with pytest.raises(SnapshotError, match="is cut off"):
        found.add(other, "")


def test_a_transaction_is_no_larger_than_a_block(
    begin: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "TRANSACTION_LIMIT", 300)
    head, chunks = written()
    found = begin(head)
    found.add(chunks[0], "")
    found.add(chunks[1], "")
    with pytest.raises(SnapshotError, match="larger than any block"):
        found.add(chunks[2], "")


def test_no_more_comes_than_was_promised(begin: Open) -> None:
    head, chunks = written()
    found = begin(head._replace(size=head.size - 1))
    with pytest.raises(SnapshotError, match="more than"):
        for chunk in chunks:
            found.add(chunk, "")


def test_the_number_of_senders_has_a_limit(begin: Open) -> None:
    writer = ChunkWriter(1)
    chunks = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_chunks, "CHUNK_BYTES", 1)
        for _ in range(MAX_SENDERS + 5):
            writer.add_block(1, 2)
        chunks = writer.take()
    size = sum(map(len, chunks))
    found = begin(Head(CHAIN, [], len(chunks), "", size, [b""]))
    for index, chunk in enumerate(chunks):
        found.add(chunk, str(index))
    assert len(found.senders) == MAX_SENDERS


def add_all(found: Arriving, chunks: list[bytes]) -> None:
    for chunk in chunks:
        found.add(chunk, "")
    found.finish()


def moved(begin: Open, said: str) -> None:
    """A snapshot of a chain that went on, with this digest, after its first block."""
    move = Move(2, "next", 1, HASH, 5, 6, said)
    end = Continued(1, HASH, said)
    chain = Chain("next", 1, HASH, 2, Time(5, 6), (TWO, ONE), end)
    head, chunks = written(moves=(move,))
    add_all(begin(head, chain), chunks)


def test_the_digest_of_a_chain_that_went_on(begin: Open, tmp_path: Path) -> None:
    head, chunks = written()
    found = begin(head)
    add_all(found, chunks)
    said = digest(found.log, Path(), height=1).digest
    found.close()
    (tmp_path / "log.db").unlink()
    moved(begin, said)


def test_another_digest_of_a_chain_that_went_on(begin: Open) -> None:
    with pytest.raises(SnapshotError, match="the digest of its log is"):
        moved(begin, "ab" * 32)


def test_another_chain_than_that_of_the_genesis_file(begin: Open) -> None:
    head, chunks = written()
    found = begin(head, dataclasses.replace(CHAIN, validators=(ONE,)))
    with pytest.raises(SnapshotError, match="validators are not those"):
        add_all(found, chunks)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({}, ""),
        ({"validators": (TWO, ONE)}, ""),
        ({"start_hash": "ab"}, ""),
        ({"chain_id": "x"}, "its chain_id is 'chain', and the genesis file's 'x'"),
        ({"initial_height": 2}, "its initial_height is 1"),
        ({"genesis_time": Time(9, 9)}, "its genesis_time is"),
        ({"validators": (ONE, ONE)}, "its first validators are not those"),
    ],
)
def test_differences(changes: dict[str, object], reason: str) -> None:
    other = dataclasses.replace(CHAIN, **changes)  # type: ignore[arg-type]
    found = difference(CHAIN, other)
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_stopping_interrupts_what_is_in_progress(begin: Open) -> None:
    head, _ = written()
    found = begin(head)
    found.stop()
    found.close()
    # It may be closed already.
    found.stop()
