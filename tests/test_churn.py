"""A short run of the program whose subscribers come and go, and what it would notice."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from scripts.bench.churn import main, run_churn


@pytest.mark.slow
async def test_who_stays_has_everything_whoever_comes_and_goes(tmp_path: Path) -> None:
    with trio.fail_after(120):
        said = await run_churn(tmp_path, seed=11, seconds=3, stayers=15, wanderers=60)
    assert "the 15 who stayed have all" in said


def test_somebody_has_to_stay(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--subscribers", "5", "--wanderers", "5"])
    assert "somebody has to stay" in capsys.readouterr().err
