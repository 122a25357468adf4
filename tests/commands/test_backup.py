"""`trio-stream backup`: a file that was not there, made beside a running daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import assert_whole, commit_blocks
from trio_stream.__main__ import main
from trio_stream.log.writer import CommitLog


def test_a_backup_is_made_while_the_log_is_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, target = tmp_path / "home", tmp_path / "copy" / "log.db"
    target.parent.mkdir()
    with CommitLog.open(home) as log:
        commit_blocks(log, 7)
        arguments = ["--home", str(home), "--rate", "1000"]
        assert main(["backup", str(target), *arguments]) == 0
        said, errors = capsys.readouterr()
        assert said == (
            f"{target}: chain 'test-chain' up to block 7, {target.stat().st_size:,} bytes."
            f" To verify it: trio-stream check {target}\n"
        )
        assert errors == ""
        assert main(["backup", str(target), *arguments]) == 1
        assert "nothing is written over" in capsys.readouterr().err
    assert assert_whole(target.parent) == 7
    assert main(["check", str(target)]) == 0


@pytest.mark.parametrize("rate", ["0", "-5", "fast"])
def test_a_rate_is_a_number_above_zero(
    rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["backup", "file", "--rate", rate])
    assert ended.value.code == 2
    assert "--rate: must be a number of mebibytes" in capsys.readouterr().err
