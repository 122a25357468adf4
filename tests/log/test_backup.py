"""Backups, and what restoring one changes: everything or nothing, and nothing is deleted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import pytest

from tests.follower.chain import MadeChain
from tests.history import assert_whole, commit_blocks
from tests.log.followed.whole import block_of
from tests.log.followed.whole import written as followed
from tests.log.tampering import tamper, written
from tests.log.test_file import damage
from trio_stream.log import backup as backup_module
from trio_stream.log.backup import Copied, back_up, kept_name, restore
from trio_stream.log.errors import (
    LogDamaged,
    LogExists,
    LogInUse,
    LogLocked,
    LogMissing,
    LogOfOtherChain,
    LogOfOtherKind,
)
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.writer import CommitLog

CHAIN = "test-chain"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a log of ten blocks."""
    path = tmp_path / "backup.db"
    assert back_up(written(tmp_path / "old", 10), path).height == 10
    return path


def test_a_backup_is_made_while_the_log_is_open(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "target" / FILE_NAME
    target.parent.mkdir()
    with CommitLog.open(home) as log:
        commit_blocks(log, 7)
        made = back_up(log.path, target)
    assert made == Copied(CHAIN, 7, target.stat().st_size)
    assert assert_whole(target.parent) == 7


def test_a_log_without_a_chain_can_be_backed_up(home: Path, tmp_path: Path) -> None:
    with CommitLog.open(home) as log:
        made = back_up(log.path, tmp_path / "backup.db")
    assert (
        made[:2]
        if isinstance(made, tuple)
        else (made.chain_id, made.height)
        == (
            "",
            0,
        )
    )


def test_nothing_is_written_over(home: Path, tmp_path: Path) -> None:
    path, target = written(home), tmp_path / "backup.db"
    target.symlink_to("nowhere")
    with pytest.raises(LogExists, match="there is such a file"):
        back_up(path, target)


def test_a_log_must_be_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        back_up(home / FILE_NAME, tmp_path / "backup.db")
    with pytest.raises(LogMissing):
        restore(tmp_path / "backup.db", home)


@pytest.mark.parametrize("blocks", [3, 15])
def test_a_backup_takes_the_place_of_the_log(
    home: Path, backup: Path, blocks: int
) -> None:
    path = written(home, blocks)
    seen: list[tuple[int, int]] = []
    done = restore(backup, home, progress=lambda *numbers: seen.append(numbers))
    assert done.now == Copied(CHAIN, 10, path.stat().st_size)
    assert done.height_before == blocks
    assert seen[-1][0] == seen[-1][1]
    assert assert_whole(home) == 10
    # The log that was there is whole too, and nothing else is left.
    assert done.before is not None
    assert {each.name for each in home.iterdir()} == {
        FILE_NAME,
        "lock",
        done.before.name,
    }
    done.before.replace(path)
    assert assert_whole(home) == blocks
    with CommitLog.open(home) as log:
        commit_blocks(log, 1)


def test_a_directory_that_is_not_there_is_made(home: Path, backup: Path) -> None:
    done = restore(backup, home)
    assert (done.before, done.height_before) == (None, None)
    assert assert_whole(home) == 10


def test_a_log_with_a_write_ahead_log_can_be_restored_from(
    home: Path, tmp_path: Path
) -> None:
    """Such as one that was moved away after a crash."""
    with CommitLog.open(tmp_path / "old") as log:
        commit_blocks(log, 5)
        assert restore(log.path, home).now.height == 5
    assert assert_whole(home) == 5


def test_what_the_write_ahead_log_holds_is_kept(home: Path, backup: Path) -> None:
    """A daemon that was killed leaves blocks there that are nowhere else."""
    log = CommitLog.open(home)
    commit_blocks(log, 4)
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        (home / f"copy-{name}").write_bytes((home / name).read_bytes())
    log.close()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        (home / f"copy-{name}").rename(home / name)
    done = restore(backup, home)
    assert done.height_before == 4
    assert done.before is not None
    done.before.replace(home / FILE_NAME)
    assert assert_whole(home) == 4


def test_a_damaged_log_is_set_aside_with_all_its_files(
    home: Path, backup: Path
) -> None:
    path = written(home)
    damage(path, page=1)
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").write_text("rest")
    done = restore(backup, home)
    assert done.height_before is None
    assert done.before is not None
    assert {each.name for each in home.iterdir()} == {
        FILE_NAME,
        "lock",
        *(f"{done.before.name}{suffix}" for suffix in ("", "-wal", "-shm")),
    }
    assert assert_whole(home) == 10


def test_a_file_system_without_links_will_do(
    home: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    written(home, 3)
    done = restore(backup, home)
    assert done.before is not None and done.before.exists()
    assert assert_whole(home) == 10


def unchanged(home: Path, blocks: int) -> None:
    assert {each.name for each in home.iterdir()} == {FILE_NAME, "lock"}
    assert assert_whole(home) == blocks


def test_another_chain_is_refused(home: Path, backup: Path) -> None:
    tamper(written(home, 3), "UPDATE chain SET chain_id = 'mine'")
    with pytest.raises(LogOfOtherChain, match="it belongs to chain 'mine', and "):
        restore(backup, home)
    unchanged(home, 3)


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8])
def test_a_damaged_backup_is_refused(home: Path, backup: Path, part: float) -> None:
    written(home, 3)
    damage(backup, page=int(backup.stat().st_size // 4096 * part))
    with pytest.raises(LogDamaged):
        restore(backup, home)
    unchanged(home, 3)


def test_what_is_no_log_is_refused(home: Path, tmp_path: Path) -> None:
    written(home, 3)
    other = tmp_path / "other.db"
    other.write_text("nothing of ours" * 100)
    with pytest.raises(LogDamaged):
        restore(other, home)
    unchanged(home, 3)


def test_a_running_daemon_is_not_replaced(home: Path, backup: Path) -> None:
    with CommitLog.open(home) as log:
        commit_blocks(log, 3)
        with pytest.raises(LogInUse, match=f"process {os.getpid()}"):
            restore(backup, home)
        commit_blocks(log, 1)
    unchanged(home, 4)


def test_the_log_itself_is_no_backup_of_it(home: Path, tmp_path: Path) -> None:
    written(home, 3)
    (tmp_path / "link").symlink_to(home)
    with pytest.raises(LogExists, match="it is the log of this directory"):
        restore(tmp_path / "link" / FILE_NAME, home)
    assert assert_whole(home) == 3


def test_whoever_could_use_the_log_can_use_what_is_restored(
    home: Path, backup: Path
) -> None:
    written(home, 3)
    log = home / FILE_NAME
    log.chmod(0o640)
    backup.chmod(0o600)
    restore(backup, home)
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
@pytest.mark.parametrize("has_log", [True, False])
def test_what_root_restores_belongs_to_the_user_of_the_daemon(
    home: Path, backup: Path, has_log: bool
) -> None:
    home.mkdir()
    if has_log:
        written(home, 3)
        os.chown(home / FILE_NAME, 4242, 4243)
    os.chown(home, 4242, 4243)
    restore(backup, home)
    found = [(home / name).stat() for name in (FILE_NAME, "lock")]
    assert {(each.st_uid, each.st_gid) for each in found} == {(4242, 4243)}


def test_a_log_that_somebody_reads_is_not_replaced(home: Path, backup: Path) -> None:
    path = written(home, 3)
    reader = open_for_reading(path)
    reader.execute("SELECT * FROM blocks").fetchall()
    with pytest.raises(LogLocked, match="another program has it open"):
        restore(backup, home)
    reader.close()
    assert restore(backup, home).height_before == 3


def test_a_log_that_somebody_writes_is_not_replaced(
    home: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(home, 3)

    def open_for_writing(path: Path):
        raise apsw.BusyError

    monkeypatch.setattr(backup_module, "open_for_writing", open_for_writing)
    with pytest.raises(LogLocked):
        restore(backup, home)
    assert path.exists()


def test_names_for_what_is_kept_are_free(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        name = kept_name(tmp_path / FILE_NAME)
        name.touch()
        names.add(name)
    assert len(names) == 3
    assert all(each.name.startswith("log-until-2") for each in names)


def test_a_followers_log_is_copied_and_restored(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    path = followed(home, last=9)
    made = back_up(path, target)
    assert made == Copied("made", 9, target.stat().st_size, is_followed=True)
    with FollowedLog.open(home) as log:
        log.append(block_of(MadeChain(10), 10))
        with pytest.raises(LogInUse):
            restore(target, home)
    done = restore(target, home)
    assert (done.now.height, done.height_before) == (9, 10)
    with FollowedLog.open(home) as log:
        assert log.tip().height == 9
        log.append(block_of(MadeChain(10), 10))


def test_a_log_does_not_take_the_place_of_another_kind(
    home: Path, backup: Path, tmp_path: Path
) -> None:
    path = followed(home)
    with pytest.raises(LogOfOtherKind, match="it is a follower's log"):
        restore(backup, home)
    with pytest.raises(LogOfOtherKind, match="it is a node's log"):
        restore(path, tmp_path / "old")
