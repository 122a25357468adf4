"""A new log, made of chunks."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from scripts.signing import create, encode, seal, transfer
from tests.ledger.chains import ALICE, BOB
from tests.voting import GENESIS, KEYS, SET, election, vote
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain, Tip, next_app_hash
from trio_stream.log.chunk_rows import rows_of_chunk
from trio_stream.log.rebuilding import Rebuilding
from trio_stream.log.rows import rows
from trio_stream.log.snapshot_chunks import ChunkWriter, Start, whole
from trio_stream.log.snapshot_head import Head, Move, SnapshotError

CHAIN = Chain("chain", 1, "", 7, Time(0, 0), tuple(SET))
MADE = create(ALICE, recipients=[(ALICE, 2), (BOB, 3)])
MOVED = transfer(MADE, BOB, output_index=1)
HASH = next_app_hash("", [MADE["id"], MOVED["id"]])
HEAD = Head(CHAIN, [], 8, HASH, 0, [])

Write = Callable[[ChunkWriter], object]


def add(log: Rebuilding, write: Write, first: int = 7) -> None:
    writer = ChunkWriter(first)
    write(writer)
    for chunk in writer.end():
        log.add(rows_of_chunk(chunk))


def two_blocks(writer: ChunkWriter) -> None:
    writer.add_block(1, 2)
    writer.add_transaction(encode(MADE))
    writer.add_refused(bytes(32), None, "DoubleSpend", "no")
    writer.add_transaction(encode(MOVED))
    writer.add_block(3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[Rebuilding]:
    with closing(Rebuilding(path, HEAD)) as log:
        yield log


def test_blocks_and_what_follows_from_them(log: Rebuilding) -> None:
    add(log, two_blocks)
    log.finish()
    assert rows(log.connection, "SELECT * FROM blocks") == [
        (7, 1, 2, HASH, 2, 1),
        (8, 3, 4, HASH, 0, 0),
    ]
    sql = "SELECT count(*) FROM outputs WHERE spent_by IS NOT NULL"
    assert rows(log.connection, sql) == [(1,)]
    sql = "SELECT key, power FROM validators ORDER BY place"
    assert rows(log.connection, sql) == [each[1:] for each in SET]


def test_a_block_in_several_chunks(log: Rebuilding) -> None:
    add(log, lambda writer: writer.add_block(1, 2))
    log.add(rows_of_chunk(whole(Start(0, 7, 0), encode(MADE))))
    log.add(rows_of_chunk(whole(Start(0, 7, 1), encode(MOVED))))
    writer = ChunkWriter(8)
    writer.add_block(3, 4)
    (chunk,) = writer.end()
    log.add(rows_of_chunk(chunk[:9] + (2).to_bytes(4) + chunk[13:]))
    log.finish()


@pytest.mark.parametrize(
    "first, write, reason",
    [
        (8, two_blocks, "does not begin where"),
        (7, lambda writer: writer.add_transaction(encode(MADE)), "in no block"),
        (
            7,
            lambda writer: [writer.add_block(1, 2) for _ in range(3)],
            "in no block of the snapshot",
        ),
        (
            7,
            lambda writer: [
                writer.add_block(1, 2),
                writer.add_transaction(encode(MOVED)),
            ],
            "does not exist",
        ),
        (
            7,
            lambda writer: [
                writer.add_block(1, 2),
                writer.add_transaction(encode(MADE)),
                writer.add_transaction(encode(MADE)),
            ],
            "UNIQUE",
        ),
        (
            7,
            lambda writer: [
                writer.add_block(1, 2),
                writer.add_transaction(
                    encode(seal({**MADE, "asset": {"id": ["x"], "data": None}}))
                ),
            ],
            "a row is not possible",
        ),
    ],
)
def test_what_cannot_be(log: Rebuilding, first: int, write: Write, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        add(log, write, first)


@pytest.mark.parametrize(
    "head",
    [HEAD._replace(app_hash="00"), HEAD._replace(height=9), HEAD._replace(app_hash="")],
)
def test_another_end_than_was_promised(path: Path, head: Head) -> None:
    with closing(Rebuilding(path, head)) as log:
        add(log, two_blocks)
        with pytest.raises(SnapshotError, match="makes the app hash"):
            log.finish()


def test_a_snapshot_without_a_block(log: Rebuilding) -> None:
    with pytest.raises(SnapshotError, match=r"app hash \(empty\) at height 6"):
        log.finish()


def test_it_must_go_on_from_what_is_known(path: Path) -> None:
    with closing(Rebuilding(path, HEAD, Tip(7, HASH))) as log:
        add(log, two_blocks)
        log.finish()
    path.unlink()
    with closing(Rebuilding(path, HEAD, Tip(7, "other"))) as log:
        with pytest.raises(SnapshotError, match="differs from the log"):
            add(log, two_blocks)
            log.finish()


def test_a_chain_that_was_moved(path: Path) -> None:
    move = Move(8, "next", 1, HASH, 5, 6, "00")
    with closing(Rebuilding(path, HEAD._replace(moves=[move]))) as log:
        add(log, two_blocks)
        log.finish()
        assert rows(log.connection, "SELECT * FROM moves") == [move]


def test_a_chain_that_was_moved_from_another_hash(path: Path) -> None:
    move = Move(8, "next", 1, "ab" * 32, 5, 6, "00")
    with closing(Rebuilding(path, HEAD._replace(moves=[move]))) as log:
        add(log, two_blocks)
        with pytest.raises(SnapshotError, match="from another app hash"):
            log.finish()


@pytest.mark.parametrize(
    "moves",
    [
        [Move(8, "a", 1, "", 0, 0, ""), Move(8, "b", 1, "", 0, 0, "")],
        [Move(1 << 70, "a", 1, "", 0, 0, "")],
    ],
)
def test_moves_that_cannot_be(path: Path, moves: list[Move]) -> None:
    with pytest.raises(SnapshotError):
        Rebuilding(path, HEAD._replace(moves=moves))


def test_votes_are_counted(path: Path) -> None:
    opened = election(power=5)
    voted = [vote(opened, key) for key in KEYS[:3]]
    ids = [[opened["id"]], [each["id"] for each in voted]]
    app_hash = next_app_hash(next_app_hash("", ids[0]), ids[1])
    with closing(Rebuilding(path, HEAD._replace(app_hash=app_hash))) as log:

        def write(writer: ChunkWriter) -> None:
            for documents in ([opened], voted):
                writer.add_block(1, 2)
                for each in documents:
                    writer.add_transaction(encode(each))

        add(log, write)
        log.finish()
        sql = "SELECT height, votes, concluded FROM tallies"
        assert rows(log.connection, sql) == [(8, "30", 1)]
        sql = "SELECT count(*) FROM validators WHERE height = 9"
        assert rows(log.connection, sql) == [(len(GENESIS) + 1,)]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(apsw.CantOpenError):
        Rebuilding(tmp_path / "missing" / "log.db", HEAD)


def test_a_chain_does_not_begin_in_its_middle(path: Path) -> None:
    chain = dataclasses.replace(CHAIN, start_hash=HASH)
    with pytest.raises(SnapshotError, match="begins with another app hash"):
        Rebuilding(path, HEAD._replace(chain=chain))


@pytest.mark.parametrize("start", ["", "sha3", "other"])
def test_a_chain_that_was_moved_before_its_first_transaction(
    path: Path, start: str
) -> None:
    start_hash = {"sha3": hashlib.sha3_256(b"").hexdigest()}.get(start, start)
    app_hash = next_app_hash(start_hash, [MADE["id"]])
    move = Move(8, "next", 1, start_hash, 5, 6, "00")
    head = HEAD._replace(moves=[move], app_hash=app_hash)
    with closing(Rebuilding(path, head)) as log:

        def write(writer: ChunkWriter) -> None:
            writer.add_block(1, 2)
            writer.add_block(1, 2)
            writer.add_transaction(encode(MADE))

        add(log, write)
        if start != "other":
            log.finish()
            return
        with pytest.raises(SnapshotError, match="from another app hash"):
            log.finish()
