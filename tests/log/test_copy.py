"""A copy is one state of the log, goes no faster than it may, and is complete or not there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.history import assert_whole, commit_blocks
from tests.log.tampering import written
from tests.log.test_file import damage
from trio_stream.log import copy as copy_module
from trio_stream.log.copy import copy_log
from trio_stream.log.errors import CommitLogError, LogOutOfSpace
from trio_stream.log.file import FILE_NAME, open_for_reading, value
from trio_stream.log.writer import CommitLog

FAST = 1 << 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "home", 40)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy" / FILE_NAME


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_module, "PIECE", 64 * 1024)


def copy(path: Path, target: Path, **how) -> None:
    with closing(open_for_reading(path)) as source, source:
        value(source, "SELECT count(*) FROM blocks")
        given = {"bytes_per_second": FAST, "progress": lambda done, total: None}
        copy_log(source, target, **{**given, **how})


def test_it_is_one_state_though_blocks_are_committed(target: Path) -> None:
    with CommitLog.open(target.parent.parent / "home") as log:
        commit_blocks(log, 30)
        copy(log.path, target, progress=lambda done, total: commit_blocks(log, 1))
        assert log.tip().height > 32
    assert assert_whole(target.parent) == 30
    assert [each.name for each in target.parent.iterdir()] == [FILE_NAME]


def test_it_can_be_read_where_nothing_can_be_written(path: Path, target: Path) -> None:
    copy(path, target)
    with closing(open_for_reading(target)) as log:
        assert value(log, "PRAGMA journal_mode") == "delete"
    with CommitLog.open(target.parent) as log:
        assert value(log.connection, "PRAGMA journal_mode") == "wal"
        commit_blocks(log, 1)
    assert assert_whole(target.parent) == 41


def test_progress_counts_bytes_up_to_all(path: Path, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    copy(path, target, progress=lambda *numbers: seen.append(numbers))
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == (target.stat().st_size,) * 2


def test_it_goes_no_faster_than_it_may(path: Path, target: Path) -> None:
    pauses: list[float] = []
    copy(path, target, bytes_per_second=64 * 1024, sleep=pauses.append)
    pieces = -(-target.stat().st_size // (64 * 1024))
    assert len(pauses) == pieces
    assert sum(pauses) == pytest.approx(pieces, rel=0.5)


def test_what_is_left_of_a_copy_that_was_killed_is_written_over(
    path: Path, target: Path
) -> None:
    target.with_name(f"{FILE_NAME}.partial").write_text("half of it")
    copy(path, target)
    assert assert_whole(target.parent) == 40
    assert [each.name for each in target.parent.iterdir()] == [FILE_NAME]


def test_an_interrupted_copy_leaves_nothing(path: Path, target: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(path, target, progress=interrupt)
    assert not list(target.parent.iterdir())


def test_a_disk_without_room_is_noticed_before(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_module, "SPARE", 1 << 60)
    with pytest.raises(
        LogOutOfSpace, match="MiB to spare are needed, and .* bytes are free"
    ):
        copy(path, target)
    assert not list(target.parent.iterdir())


def test_a_directory_that_is_not_there_is_named(path: Path, target: Path) -> None:
    with pytest.raises(CommitLogError, match="nowhere"):
        copy(path, target.parent / "nowhere" / FILE_NAME)


def test_a_damaged_log_is_copied_as_it_is(path: Path, target: Path) -> None:
    damage(path, page=path.stat().st_size // 4096 // 2)
    copy(path, target)
    with closing(apsw.Connection(str(target))) as log:
        assert log.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]
