"""`trio-stream export`: a file that was not there, and what operators compare."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.history import commit_blocks
from trio_stream.__main__ import main
from trio_stream.log.digest import digest
from trio_stream.log.file import open_for_reading
from trio_stream.log.writer import CommitLog


def test_a_log_in_use_is_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, target = tmp_path / "home", tmp_path / "export"
    with CommitLog.open(home) as log:
        commit_blocks(log, 7)
        arguments = ["export", str(target), "--home", str(home)]
        assert main(arguments) == 0
        found = digest(log.connection, log.path)
        said, errors = capsys.readouterr()
        assert said == (
            f"{target}: chain 'test-chain', blocks 1 to 7, {found.transactions}"
            f" transactions, {target.stat().st_size:,} bytes.\n"
            f"height: 7\ndigest: {found.digest}\n"
        )
        assert errors == ""
        assert main(arguments) == 1
        assert "nothing is written over" in capsys.readouterr().err


def test_it_may_end_at_a_height(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 7)
    arguments = ["export", "--home", str(tmp_path), "--to-height"]
    assert main([*arguments, "3", str(tmp_path / "export")]) == 0
    with closing(open_for_reading(log.path)) as connection:
        expected = digest(connection, log.path, height=3).digest
    assert capsys.readouterr().out.endswith(f"height: 3\ndigest: {expected}\n")
    assert main([*arguments, "8", str(tmp_path / "beyond")]) == 1
    assert "it holds no block 8" in capsys.readouterr().err
