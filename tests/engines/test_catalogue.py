"""The command line of the engines' build, without a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.engines import build, compiling


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    return tmp_path


def put(name: str, stamp: str) -> None:
    engine = build.ENGINES[name]
    engine.folder.mkdir()
    engine.binary.write_bytes(b"")
    engine.stamp.write_text(stamp)


def test_all_ten_releases_are_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put("cometbft-0.38.26", "cometbft v0.38.26 go1.26.0\n")
    assert build.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    there = [line.split()[0] for line in lines if not line.endswith("not built")]
    assert there == ["cometbft-0.38.26"]


def test_a_binary_of_another_version_does_not_count(folder: Path) -> None:
    put("cometbft-0.38.26", "cometbft v0.38.25 go1.26.0\n")
    assert not build.ENGINES["cometbft-0.38.26"].is_there()


def test_the_path_of_a_binary_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--path", "tendermint-0.31.12"]) == 1
    path = folder / "tendermint-0.31.12" / "tendermint"
    assert capsys.readouterr().out == f"{path}\n"


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build.main(["cometbft-9.9.9"])
    assert "no such engine: cometbft-9.9.9" in capsys.readouterr().err


def test_an_engine_that_exists_is_not_built_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put("cometbft-1.0.1", "cometbft v1.0.1 go1.26.0\n")
    assert build.main(["cometbft-1.0.1"]) == 0
    assert capsys.readouterr().err == "[1/1] cometbft-1.0.1: already built\n"


def test_a_missing_network_is_one_line() -> None:
    said = [
        "go: github.com/cometbft/cometbft@v1.0.1: Get proxy: dial tcp: no such host",
        "go: giving up",
    ]
    error = compiling.failure(build.ENGINES["cometbft-1.0.1"], said)
    assert "check the network" in str(error)
    assert "\n" not in str(error)


def test_checksums_out_of_reach_are_ignored_and_wrong_ones_are_not() -> None:
    engine = build.ENGINES["cometbft-1.0.1"]
    away = (
        'verifying module: Get "https://sum.golang.org/lookup/x": dial tcp: i/o timeout'
    )
    wrong = "verifying module: checksum mismatch\nSECURITY ERROR (see sum.golang.org)"
    assert isinstance(compiling.failure(engine, [away]), compiling.ChecksumsOutOfReach)
    assert isinstance(
        compiling.failure(engine, wrong.splitlines()), compiling.BuildFailed
    )
