"""The snapshots that this node has."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.log.snapshotting import take, write_varied
from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.log import snapshot_making
from trio_stream.log import snapshots as room
from trio_stream.log.snapshots import MOST, Snapshots
from trio_stream.log.writer import CommitLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[CommitLog]:
    with CommitLog.open(tmp_path) as log:
        write_varied(log)
        yield log


def made(snapshots: Snapshots, height: int) -> Snapshot:
    found = snapshots.make(height, lambda: False)
    assert found is not None
    return found


def names(log: CommitLog) -> list[str]:
    return sorted(each.name for each in log.path.with_name("snapshots").iterdir())


def test_peers_can_have_what_is_made(log: CommitLog) -> None:
    snapshots = Snapshots(log, keep=2)
    assert snapshots.available() == ()
    first, second = made(snapshots, 5), made(snapshots, 7)
    assert snapshots.available() == (second, first)
    assert snapshots.chunk(5, 1, 0) and snapshots.chunk(7, 1, 0)
    for height, form, index in ((6, 1, 0), (5, 2, 0), (5, 1, 1), (5, 1, -1)):
        assert snapshots.chunk(height, form, index) == b""


def test_the_newest_are_kept(log: CommitLog) -> None:
    snapshots = Snapshots(log, keep=2)
    made(snapshots, 5)
    kept = made(snapshots, 6), made(snapshots, 7)
    assert names(log) == ["6", "7"]
    assert snapshots.available() == kept[::-1]
    assert snapshots.chunk(5, 1, 0) == b""


def test_a_start_finds_them_again(log: CommitLog) -> None:
    snapshots = Snapshots(log, keep=3)
    found = [made(snapshots, height) for height in (9, 10, 11)]
    again = Snapshots(log, keep=2)
    assert again.available() == (found[2], found[1])
    assert again.chunk(11, 1, 0) == snapshots.chunk(11, 1, 0)
    assert names(log) == ["10", "11"]


def test_engines_are_told_of_few(log: CommitLog) -> None:
    snapshots = Snapshots(log, keep=20)
    for height in range(1, 13):
        made(snapshots, height)
    assert len(snapshots.available()) == MOST
    assert snapshots.chunk(1, 1, 0)


def test_it_is_not_made_twice(log: CommitLog) -> None:
    snapshots = Snapshots(log, keep=2)
    made(snapshots, 5)
    assert snapshots.make(5, lambda: False) is None
    assert len(snapshots.available()) == 1


def test_a_start_removes_what_is_no_snapshot(log: CommitLog) -> None:
    made(Snapshots(log, keep=2), 5)
    place = log.path.with_name("snapshots")
    shutil.copytree(place / "5", place / "6")
    shutil.copytree(place / "5", place / "7.partial")
    (place / "8").mkdir()
    (place / "file").touch()
    assert [each.height for each in Snapshots(log, keep=5).available()] == [5]
    assert names(log) == ["5"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE chain SET chain_id = 'another'",
        "UPDATE blocks SET app_hash = 'other' WHERE height = 5",
        "DELETE FROM blocks WHERE height = 5",
    ],
)
def test_a_start_removes_those_of_another_log(
    log: CommitLog, sql: str, caplog: pytest.LogCaptureFixture
) -> None:
    made(Snapshots(log, keep=2), 5)
    log.connection.execute(sql)
    assert Snapshots(log, keep=2).available() == ()
    assert names(log) == [] and "not of this log" in caplog.text


def test_a_description_that_is_damaged(log: CommitLog) -> None:
    made(Snapshots(log, keep=2), 5)
    file = log.path.with_name("snapshots") / "5" / "snapshot"
    file.write_bytes(file.read_bytes()[:-1])
    assert Snapshots(log, keep=2).available() == ()


def test_chunks_that_are_missing(
    log: CommitLog, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = Snapshots(log, keep=2)
    made(snapshots, 5)
    file = log.path.with_name("snapshots") / "5" / "000000"
    file.unlink()
    assert snapshots.chunk(5, 1, 0) == b"" and not caplog.text
    file.mkdir()
    assert snapshots.chunk(5, 1, 0) == b"" and "directory" in caplog.text


def test_a_directory_that_cannot_be_read(
    log: CommitLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made(Snapshots(log, keep=2), 5)

    def fail(_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(room, "read_description", fail)
    assert Snapshots(log, keep=2).available() == ()
    assert "Input/output error" in caplog.text


def fail_late(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    monkeypatch.setattr(snapshot_making, "SPARE", 1 << 60)
    return lambda: False


def stop_late(_: pytest.MonkeyPatch) -> Callable[[], bool]:
    answers = iter([False, False, True])
    return lambda: next(answers)


@pytest.mark.parametrize("end", [fail_late, stop_late])
def test_nothing_is_left_of_one_that_is_not_finished(
    log: CommitLog,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[pytest.MonkeyPatch], Callable[[], bool]],
) -> None:
    snapshots = Snapshots(log, keep=2)
    first = made(snapshots, 5)
    stopping = end(monkeypatch)
    try:
        assert snapshots.make(12, stopping) is None
    except Exception as error:
        assert "No space left" in str(error)
    assert names(log) == ["5"]
    assert snapshots.available() == (first,)


def test_what_a_killed_daemon_left_does_not_count(log: CommitLog) -> None:
    snapshots = Snapshots(log, keep=2)
    partial = log.path.with_name("snapshots") / "5.partial"
    partial.mkdir(parents=True)
    (partial / "junk").touch()
    made(snapshots, 5)
    assert names(log) == ["5"]
    place = log.path.with_name("snapshots") / "5"
    assert sorted(each.name for each in place.iterdir()) == ["000000", "snapshot"]


def test_two_nodes_make_the_same(log: CommitLog, tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "other") as other:
        write_varied(other)
        assert take(other) == take(log)
