"""Making a snapshot beside a daemon that commits."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log.snapshotting import SMALL, write_varied
from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.ledger.block import next_app_hash
from trio_stream.log import snapshot_chunks, snapshot_making
from trio_stream.log.errors import LogDamaged
from trio_stream.log.rows import row
from trio_stream.log.snapshot_chunks import BLOCK, records, start_of, unpack
from trio_stream.log.snapshot_files import read_chunk
from trio_stream.log.snapshot_head import read_head
from trio_stream.log.snapshot_making import PIECE, Making
from trio_stream.log.writer import CommitLog


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommitLog]:
    monkeypatch.setattr(snapshot_chunks, "CHUNK_BYTES", SMALL)
    with CommitLog.open(tmp_path) as log:
        write_varied(log)
        yield log


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "new"
    place.mkdir()
    return place


def make(log: CommitLog, height: int, place: Path) -> Snapshot:
    made = Making(log.path, height, place, sleep=lambda _: None).run(lambda: False)
    assert made is not None
    return made


def test_it_holds_the_log_up_to_a_height(log: CommitLog, place: Path) -> None:
    made = make(log, 7, place)
    head = read_head(made)
    chunks = [
        unpack(read_chunk(place, index), digest)
        for index, digest in enumerate(head.digests)
    ]
    assert made.chunks == len(chunks) > 2 and head.height == 7
    assert head.size == sum(map(len, chunks))
    assert head.chain == log.chain() and head.moves == []
    sql = "SELECT app_hash FROM blocks WHERE height = 7"
    assert row(log.connection, sql) == (head.app_hash,)
    blocks = [
        value
        for chunk in chunks
        if start_of(chunk).kind == 0
        for kind, value in records(chunk)
        if kind == BLOCK
    ]
    assert len(blocks) == 7


def test_blocks_that_come_later_make_no_difference(
    log: CommitLog, place: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "new").mkdir(parents=True)
    with CommitLog.open(other / "home") as shorter:
        write_varied(shorter, 9)
        assert make(shorter, 9, other / "new") == make(log, 9, place)
    names = sorted(each.name for each in place.iterdir())
    for name in names:
        assert (place / name).read_bytes() == (other / "new" / name).read_bytes()


def test_a_move_belongs_to_the_heights_from_its_first_on(
    log: CommitLog, place: Path
) -> None:
    log.connection.execute(
        "INSERT INTO moves VALUES (9, 'next', 1, 'ab', 1, 2, 'cd'), (13, NULL, 1, '', 0, 0, NULL)"
    )
    for height, moves in ((8, []), (9, [(9, "next", 1, "ab", 1, 2, "cd")])):
        assert read_head(make(log, height, place)).moves == moves


def test_it_rests_as_long_as_it_works(log: CommitLog, place: Path) -> None:
    clock = 0.0
    rests: list[float] = []

    def now() -> float:
        nonlocal clock
        clock += PIECE * 0.6
        return clock

    assert Making(log.path, 12, place, now=now, sleep=rests.append).run(lambda: False)
    assert len(rests) > 2 and min(rests) >= PIECE


def test_it_works_in_a_thread_of_low_priority(
    log: CommitLog, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    called: list[int] = []
    monkeypatch.setattr(snapshot_making, "step_back", lambda: called.append(1))

    def sleep(_: float) -> None:
        threads.add(threading.current_thread())

    clock = iter(range(10_000))
    Making(log.path, 12, place, now=lambda: next(clock), sleep=sleep).run(lambda: False)
    assert called == [1] and threading.current_thread() not in threads


def test_it_can_be_stopped(log: CommitLog, place: Path) -> None:
    answers = iter([False, False, True])
    assert Making(log.path, 12, place).run(lambda: next(answers)) is None


def test_a_full_disk(
    log: CommitLog, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_making, "SPARE", 1 << 60)
    with pytest.raises(OSError) as caught:
        make(log, 12, place)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(place) == []


def test_a_log_that_is_too_large(
    log: CommitLog, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_making, "MAX_CHUNKS", 2)
    with pytest.raises(OSError, match="too large for a snapshot"):
        make(log, 12, place)


def test_a_log_without_a_chain(tmp_path: Path, place: Path) -> None:
    with CommitLog.open(tmp_path / "young") as young:
        with pytest.raises(LogDamaged, match="no chain"):
            make(young, 1, place)


@pytest.mark.parametrize("height, reason", [(13, "block 13"), (14, "block 13")])
def test_blocks_that_are_missing(
    log: CommitLog, place: Path, height: int, reason: str
) -> None:
    with pytest.raises(LogDamaged, match=reason):
        make(log, height, place)
    log.connection.execute("DELETE FROM blocks WHERE height = 5")
    with pytest.raises(LogDamaged, match="block 5"):
        make(log, 12, place)


def test_a_block_with_many_transactions(
    log: CommitLog, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(log, 12, place)
    monkeypatch.setattr(snapshot_making, "_ROWS", 1)
    monkeypatch.setattr(snapshot_making, "_BLOCKS", 1)
    assert make(log, 12, place) == whole
    assert next_app_hash("", []) == ""


def test_a_time_that_cannot_be(log: CommitLog, place: Path) -> None:
    log.connection.execute("UPDATE blocks SET nanos = 1 << 40 WHERE height = 5")
    with pytest.raises(LogDamaged, match="time can't be written"):
        make(log, 12, place)
