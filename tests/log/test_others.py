"""What other programs do to the log: they lock it, remove it, replace it, damage it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import apsw
import pytest
import trio

from scripts.daemon_process import Settings, run_daemon
from tests.history import assert_whole, commit_blocks
from trio_stream.log import others
from trio_stream.log.errors import LogDamaged, LogLocked, LogReplaced
from trio_stream.log.file import FILE_NAME
from trio_stream.log.others import OPEN_SECONDS, WRITE_SECONDS, Patience, holder
from trio_stream.log.writer import CommitLog

LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(patience: Patience, clock: Clock) -> float:
    """How long it waits for a lock that is never released."""
    began, tries = clock.now, 0
    while patience(tries):
        tries += 1
    return clock.now - began


def test_it_waits_says_so_and_gives_up_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    patience = Patience(tmp_path / "log.db", clock=clock, sleep=clock.sleep)
    assert waited(patience, clock) == pytest.approx(OPEN_SECONDS, abs=0.1)
    assert not caplog.records

    patience.seconds = WRITE_SECONDS
    assert waited(patience, clock) == pytest.approx(WRITE_SECONDS, abs=0.1)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 5
    assert "log.db has been locked for 10 s by another program" in lines[0]


@pytest.fixture
def locked(tmp_path: Path):
    """A log with three blocks that another process has locked for writing, open here."""
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 3)
        with subprocess.Popen(
            [sys.executable, "-c", LOCK, str(log.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None and other.stdin is not None
            assert other.stdout.readline() == b"locked\n"
            yield log, other
            other.stdin.close()


def test_a_block_waits_for_a_lock_to_end(locked) -> None:
    log, other = locked
    patience = Patience(log.path, sleep=lambda _: other.stdin.close())
    log.connection.set_busy_handler(patience)

    commit_blocks(log, 2)

    assert log.tip().height == 5


def test_a_lock_that_does_not_end_is_named_with_its_process(locked) -> None:
    log, other = locked
    clock = Clock()
    log.connection.set_busy_handler(Patience(log.path, clock=clock, sleep=clock.sleep))

    with pytest.raises(LogLocked, match="cannot append block 4 to") as caught:
        commit_blocks(log, 1)

    assert f"by process {other.pid} ({sys.executable}" in str(caught.value)
    assert LogLocked.hint in str(caught.value)
    assert "daemon" not in LogLocked.hint
    assert log.tip().height == 3


def test_nobody_is_named_if_the_system_lists_no_locks(
    locked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log, _ = locked
    assert holder(log.path)
    monkeypatch.setattr(others, "_LOCKS", tmp_path / "nothing")
    assert holder(log.path) == ""


def test_a_process_that_has_ended_meanwhile_has_a_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    for name in "log.db", "log.db-shm":
        (tmp_path / name).touch()
    # No process has a number as great.
    line = f"1: POSIX  ADVISORY  WRITE 4194305 08:01:{path.stat().st_ino} 120 120\n"
    elsewhere = "2: POSIX  ADVISORY  WRITE 1 08:01:1 0 EOF\n"
    (tmp_path / "locks").write_text(elsewhere + line)
    monkeypatch.setattr(others, "_LOCKS", tmp_path / "locks")
    assert holder(path) == "process 4194305"


def test_a_start_is_held_up_by_a_lock_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CommitLog.open(tmp_path).close()
    clock = Clock()
    monkeypatch.setattr(
        "trio_stream.log.writing.Patience",
        partial(Patience, clock=clock, sleep=clock.sleep),
    )
    other = apsw.Connection(str(tmp_path / FILE_NAME))
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LogLocked, match="cannot open"):
            CommitLog.open(tmp_path)
    finally:
        other.close()


@pytest.mark.parametrize("name", ["log.db", "log.db-wal"])
@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_nothing_is_committed_to_a_file_that_was(
    tmp_path: Path, name: str, what: str
) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 2)
        if what == "removed":
            os.rename(tmp_path / name, tmp_path / "elsewhere")
        else:
            shutil.copy(tmp_path / name, tmp_path / "copy")
            os.replace(tmp_path / "copy", tmp_path / name)

        with pytest.raises(LogReplaced, match=f"{name} was {what}") as caught:
            commit_blocks(log, 1)
    assert LogReplaced.hint in str(caught.value)


def test_a_directory_that_is_moved_away_is_noticed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with CommitLog.open(home) as log:
        commit_blocks(log, 2)
        home.rename(tmp_path / "elsewhere")
        with pytest.raises(LogReplaced, match="log.db was removed"):
            commit_blocks(log, 1)
    assert assert_whole(tmp_path / "elsewhere") == 2


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """The closed file of a log with some blocks."""
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 40)
    return log.path


def spoil(path: Path) -> None:
    """Write over all pages but the first."""
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def cut_short(path: Path) -> None:
    os.truncate(path, 4096)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [spoil, cut_short])
@pytest.mark.parametrize(
    "target", ["/api/v1/blocks/2", "/api/v1/events?after=earliest"]
)
async def test_damage_met_while_it_runs_ends_the_daemon_with_a_line(
    closed: Path, harm: Callable[[Path], None], target: str
) -> None:
    """Met by a look-up, and by a reader that starts at the beginning of the log."""
    with trio.fail_after(120):
        async with run_daemon(Settings(home=closed.parent)) as daemon:
            harm(closed)
            with suppress(Exception):  # it may be cut off in any place
                await daemon.http("GET", target)
            assert await daemon.wait() == 1
            said = daemon.last_words(1)
    assert f"cannot read {closed}: CorruptError: " in said
    assert LogDamaged.hint in said
