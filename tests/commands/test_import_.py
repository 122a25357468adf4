"""`trio-stream import`: a log of what was exported, or a line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import assert_whole
from tests.log.tampering import written
from trio_stream.__main__ import main


@pytest.fixture
def exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """Of a log of twelve blocks, and what it said of their digest."""
    path = tmp_path / "export"
    home = written(tmp_path / "old").parent
    assert main(["export", str(path), "--home", str(home)]) == 0
    _, *digest = capsys.readouterr().out.splitlines(keepends=True)
    return path, "".join(digest)


@pytest.mark.parametrize("more", [[], ["--no-signatures"]])
def test_a_log_is_made_with_the_same_digest(
    exported: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
) -> None:
    home = tmp_path / "new"
    assert main(["import", str(exported[0]), "--home", str(home), *more]) == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first == (
        f"{home} now has the log of chain 'test-chain', blocks 1 to 12, 32 transactions."
    )
    assert rest == exported[1]
    assert assert_whole(home) == 12
    assert main(["import", str(exported[0]), "--home", str(home)]) == 1
    assert f"cannot import into {home}" in capsys.readouterr().err


def test_it_may_end_at_a_height(exported: tuple[Path, str], tmp_path: Path) -> None:
    arguments = ["--home", str(tmp_path / "new"), "--to-height", "5"]
    assert main(["import", str(exported[0]), *arguments]) == 0
    assert assert_whole(tmp_path / "new") == 5


def test_what_is_no_export_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("hello")
    assert main(["import", str(source), "--home", str(tmp_path / "new")]) == 1
    assert f"cannot import {source}" in capsys.readouterr().err
