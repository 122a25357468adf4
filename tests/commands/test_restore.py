"""`trio-stream restore`: what is there afterwards, and what it says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import assert_whole
from tests.log.followed.whole import written as written_by_follower
from tests.log.tampering import written
from tests.log.test_file import damage
from trio_stream.__main__ import main
from trio_stream.log.writer import CommitLog


@pytest.fixture
def backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Of a log of twelve blocks."""
    path = tmp_path / "backup.db"
    home = written(tmp_path / "old").parent
    assert main(["backup", str(path), "--home", str(home)]) == 0
    capsys.readouterr()
    return path


def restored(backup: Path, home: Path) -> int:
    return main(["restore", str(backup), "--home", str(home)])


@pytest.mark.parametrize(("blocks", "replays"), [(15, True), (3, False)])
def test_a_log_is_restored(
    backup: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    blocks: int,
    replays: bool,
) -> None:
    home = written(tmp_path / "home", blocks).parent
    assert restored(backup, home) == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == f"{home} now has the log of chain 'test-chain' up to block 12."
    (kept,) = home.glob("log-until-*.db")
    assert second == (f"The log that was there, up to block {blocks}, is {kept} now.")
    replayed = "When the engine starts, it replays the blocks above 12 that it has."
    assert rest == [replayed] * replays
    assert assert_whole(home) == 12


def test_a_log_that_cannot_be_read_is_restored(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "home")
    damage(path, page=1)
    assert restored(backup, path.parent) == 0
    assert "The log that was there, which can't be read, is" in capsys.readouterr().out
    assert assert_whole(path.parent) == 12


def test_an_empty_directory_gets_a_log(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restored(backup, tmp_path / "home") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert assert_whole(tmp_path / "home") == 12


def test_a_running_daemon_is_named(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with CommitLog.open(tmp_path / "home"):
        assert restored(backup, tmp_path / "home") == 1
    assert "belongs to process" in capsys.readouterr().err


def test_a_follower_asks_nodes_for_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = written_by_follower(tmp_path / "backup", last=5)
    home = written_by_follower(tmp_path / "home", last=8).parent
    assert restored(backup, home) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "The blocks above 5 are asked of the nodes again at the next start."
    ]
