"""The command line of the chains' build, without a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.chains import build


def test_chains_are_listed_and_one_with_its_stamp_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    chain = build.CHAINS[build.DEFAULT]
    chain.folder.mkdir()
    chain.binary.write_bytes(b"")
    chain.stamp.write_text("simd v0.50.9 go1.26.8\n")
    assert build.main(["--list"]) == 0
    listed = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert listed == {"simd-0.46.16": "not built", "simd-0.50.9": "built"}


def test_the_line_of_the_sdk() -> None:
    assert [each.line for each in build.CHAINS.values()] == [(0, 46), (0, 50)]


def test_an_unknown_chain_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build.main(["simd-9"])
    assert "no such chain: simd-9 (see --list)" in capsys.readouterr().err
