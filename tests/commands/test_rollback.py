"""`trio-stream rollback`: what is there afterwards, and what it says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import assert_whole
from tests.log.tampering import written
from trio_stream.__main__ import main
from trio_stream.log.writer import CommitLog


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return written(tmp_path / "home").parent


def rolled_back(home: Path, height: int, *more: str) -> int:
    return main(["rollback", "--to-height", str(height), "--home", str(home), *more])


def test_a_log_goes_back_and_a_copy_stays(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rolled_back(home, 7) == 0
    (kept,) = home.glob("log-until-*.db")
    assert capsys.readouterr().out.splitlines() == [
        f"The log in {home} ends at block 7 now, after 12 before: 11 transactions were"
        " taken out.",
        f"{kept} is a copy of it as it was; trio-stream restore puts it back.",
        "When the engine starts, it replays the blocks above 7 that it has.",
    ]
    assert assert_whole(home) == 7
    assert main(["restore", str(kept), "--home", str(home)]) == 0
    assert assert_whole(home) == 12


def test_it_goes_back_without_a_copy(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rolled_back(home, 0, "--no-copy") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert not list(home.glob("log-until-*"))
    assert assert_whole(home) == 0


def test_a_height_must_be_given() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rollback"])
    assert ended.value.code == 2


def test_a_height_that_is_not_there_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rolled_back(home, 12) == 1
    assert "it has the blocks 1 to 12" in capsys.readouterr().err


def test_a_running_daemon_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with CommitLog.open(home):
        assert rolled_back(home, 7) == 1
    assert "belongs to process" in capsys.readouterr().err
