"""How the log's file is opened and locked, and which files are refused."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import apsw
import pytest

from scripts.signing import encode
from tests.history import accepted_of, assert_whole, commit_blocks
from trio_stream.log import file
from trio_stream.log.errors import (
    CommitLogError,
    LogDamaged,
    LogFromNewerVersion,
    LogFromOlderVersion,
    LogInUse,
    LogMissing,
    LogNotAccessible,
    LogNotDirectory,
    LogOfOtherKind,
)
from trio_stream.log.file import (
    APPLICATION_ID,
    NODE,
    SCHEMA_VERSION,
    holder_of,
    lock_directory,
    open_for_checkpoints,
    open_for_reading,
    open_for_writing,
    open_log,
    prepare,
    run,
    value,
)
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.writer import CommitLog


@pytest.fixture
def home(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def log(home):
    with CommitLog.open(home) as log:
        yield log


def test_commits_are_synchronous_and_leave_checkpoints_to_others(log):
    assert value(log.connection, "PRAGMA journal_mode") == "wal"
    assert value(log.connection, "PRAGMA synchronous") == 2
    commit_blocks(log, 200)
    # SQLite's own checkpoint would have begun the write-ahead log anew at 4 MB.
    assert log.wal_bytes > 4_100_000


def test_a_second_daemon_learns_which_process_uses_the_directory(home, log):
    with pytest.raises(LogInUse) as caught:
        CommitLog.open(home)
    said = str(caught.value)
    assert said.startswith(f"cannot open {home}: it belongs to process {os.getpid()} (")
    assert LogInUse.hint in said


def test_a_lock_that_nobody_holds_does_not_matter(home):
    home.mkdir()
    (home / "lock").write_text("999999 (a daemon that was killed, with a long name)")
    CommitLog.open(home).close()
    assert (home / "lock").read_text().startswith(f"{os.getpid()} (")


def test_a_closed_directory_can_be_opened_again(home):
    CommitLog.open(home).close()
    CommitLog.open(home).close()


def test_a_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(CommitLogError) as caught:
        CommitLog.open(tmp_path / "data")
    assert str(tmp_path / "data") in str(caught.value)


def test_a_log_that_is_a_directory_is_named(home):
    (home / "log.db").mkdir(parents=True)
    with pytest.raises(LogNotAccessible, match="log.db"):
        CommitLog.open(home)


def test_a_file_that_is_not_a_database_is_refused_and_the_lock_released(home):
    home.mkdir()
    (home / "log.db").write_bytes(b"nothing of ours" * 1000)
    with pytest.raises(LogDamaged) as caught:
        CommitLog.open(home)
    assert caught.value.operation == "open"
    assert caught.value.place == home / "log.db"
    assert caught.value.hint in str(caught.value)
    (home / "log.db").unlink()
    CommitLog.open(home).close()


def test_another_programs_database_is_refused(home):
    home.mkdir()
    other = apsw.Connection(str(home / "log.db"))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(LogDamaged, match="another program's"):
        CommitLog.open(home)


def test_a_followers_log_is_refused(home):
    FollowedLog.open(home).close()
    with pytest.raises(LogOfOtherKind, match="a follower's log .*another --home"):
        CommitLog.open(home)
    with pytest.raises(LogOfOtherKind, match="cannot verify .* a follower's log"):
        open_log(home / "log.db", "verify")


def test_a_newer_schema_is_refused(home):
    with CommitLog.open(home) as log:
        run(log.connection, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(LogFromNewerVersion) as caught:
        CommitLog.open(home)
    assert f"version {SCHEMA_VERSION + 1}, ours is {SCHEMA_VERSION}" in str(
        caught.value
    )
    assert caught.value.hint in str(caught.value)


def test_an_older_schema_is_migrated_in_one_transaction(home):
    with CommitLog.open(home) as log:
        commit_blocks(log, 3)
        path = log.path
    connection = open_for_writing(path)
    more = "CREATE TABLE more (x); INSERT INTO more VALUES (1);"
    steps = {
        SCHEMA_VERSION: partial(run, sql=more),
        SCHEMA_VERSION + 1: partial(run, sql="INSERT INTO more VALUES (2);"),
    }
    prepare(connection, path, steps, format=replace(NODE, version=SCHEMA_VERSION + 2))
    assert connection.execute("SELECT x FROM more").fetchall() == [(1,), (2,)]
    assert value(connection, "PRAGMA user_version") == SCHEMA_VERSION + 2
    assert value(connection, "PRAGMA application_id") == APPLICATION_ID
    connection.close()
    assert assert_whole(home) == 3


def test_a_migration_that_fails_leaves_the_file_as_it_was(home):
    CommitLog.open(home).close()
    path = home / "log.db"
    connection = open_for_writing(path)
    steps = {
        SCHEMA_VERSION: partial(run, sql="CREATE TABLE more (x)"),
        SCHEMA_VERSION + 1: partial(run, sql="NO SUCH SQL"),
    }
    with pytest.raises(apsw.SQLError):
        prepare(
            connection, path, steps, format=replace(NODE, version=SCHEMA_VERSION + 2)
        )
    connection.close()
    with CommitLog.open(home) as log:
        sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'more'"
        assert value(log.connection, sql) == 0


def damage(path: Path, *, page: int) -> None:
    """Write over one page of the file."""
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """The closed file of a log with some blocks."""
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 40)
    return log.path


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_damage_is_found_at_the_start(closed: Path, part: float) -> None:
    pages = closed.stat().st_size // 4096
    damage(closed, page=int(pages * part))

    with pytest.raises(LogDamaged, match="cannot (check|open) ") as caught:
        CommitLog.open(closed.parent)
    assert LogDamaged.hint in str(caught.value)


def test_a_file_that_was_cut_short_is_found_at_the_start(closed: Path) -> None:
    os.truncate(closed, closed.stat().st_size // 2 // 4096 * 4096)

    with pytest.raises(LogDamaged):
        CommitLog.open(closed.parent)


def test_a_large_log_is_checked_for_a_while_alone(
    closed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(file, "CHECK_SECONDS", -1.0)
    monkeypatch.setattr(file, "_CHECK_STEPS", 10)
    with CommitLog.open(closed.parent) as log:
        assert log.tip()
    assert "only a part of it could be checked" in caplog.text


def test_a_mapped_reader_sees_the_file_grow_under_it(home: Path) -> None:
    with CommitLog.open(home) as log:
        connection = open_for_reading(log.path, mapped=True)
        assert connection.pragma("mmap_size") != 0
        checkpoints = open_for_checkpoints(log.path)
        for height in range(1, 13):
            commit_blocks(log, 1)
            if height % 3 == 0:
                checkpoints.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            found = connection.execute("SELECT raw FROM bodies ORDER BY position")
            accepted = [each for h in range(1, height + 1) for each in accepted_of(h)]
            assert [raw for (raw,) in found] == [*map(encode, accepted)]
        checkpoints.close()
        connection.close()


def test_a_reader_cannot_write(home: Path) -> None:
    CommitLog.open(home).close()
    connection = open_for_reading(home / "log.db")
    with pytest.raises(apsw.ReadOnlyError):
        connection.execute("DELETE FROM blocks")
    connection.close()


def test_a_command_opens_a_log_of_this_release(closed: Path) -> None:
    connection = open_log(closed, "verify")
    assert value(connection, "SELECT max(height) FROM blocks") == 40
    with pytest.raises(apsw.ReadOnlyError):
        connection.execute("DELETE FROM blocks")
    connection.close()


def test_a_command_is_told_that_there_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="cannot verify .*: there is no such file"):
        open_log(tmp_path / "log.db", "verify")
    with pytest.raises(LogNotDirectory, match="cannot verify .*: it is a directory"):
        open_log(tmp_path, "verify")


@pytest.mark.parametrize(
    ("pragma", "error", "cause"),
    [
        ("application_id = 1", LogDamaged, "it is not a commit log"),
        (f"user_version = {SCHEMA_VERSION + 1}", LogFromNewerVersion, "ours is"),
        (f"user_version = {SCHEMA_VERSION - 1}", LogFromOlderVersion, "ours is"),
    ],
)
def test_a_command_refuses_what_is_no_log_of_this_release(
    closed: Path, pragma: str, error: type[CommitLogError], cause: str
) -> None:
    connection = open_for_writing(closed)
    run(connection, f"PRAGMA {pragma}")
    connection.close()
    with pytest.raises(error, match=f"cannot verify .*{cause}"):
        open_log(closed, "verify")


def test_the_holder_of_a_directory_is_found_while_it_holds_it(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    lock = lock_directory(tmp_path)
    assert holder_of(tmp_path) == os.getpid()
    os.pwrite(lock, b"x", 0)
    assert holder_of(tmp_path) is None, "a name that is no number"
    os.close(lock)
    assert (tmp_path / "lock").exists()
    assert holder_of(tmp_path) is None
