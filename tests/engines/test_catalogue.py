"""The build of engines and of programs of ours, without Go."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import interop_env
from scripts.engines import build, compiling, go_toolchain


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


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A script in place of Go, which is given the arguments of `go build`."""
    script = tmp_path / "go"
    monkeypatch.setattr(go_toolchain, "find", lambda say: (script, "go1.26.0"))
    monkeypatch.setattr(interop_env, "FOLDER", tmp_path)
    return script


def write(script: Path, *lines: str) -> None:
    script.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    script.chmod(0o755)


def test_a_program_of_ours_is_built_from_its_own_folder_once(stand_in: Path) -> None:
    # build -v -mod=readonly -o FILE .
    write(stand_in, 'cp go.mod "$5"')
    built = interop_env.go_client()
    sources = interop_env.LOCKS / "gocometbft"
    assert built.read_text() == (sources / "go.mod").read_text()
    write(stand_in, "exit 1")
    assert interop_env.go_client() == built


def test_a_program_that_cannot_be_fetched_is_left_out(stand_in: Path) -> None:
    write(stand_in, "echo 'Get \"https://x\": dial tcp: no such host' >&2", "exit 1")
    with pytest.raises(interop_env.NotHere, match="check the network"):
        interop_env.go_client()


def test_a_program_that_is_wrong_is_an_error(stand_in: Path) -> None:
    write(stand_in, "echo './main.go:1:1: undefined: x' >&2", "exit 1")
    with pytest.raises(interop_env.InstallFailed, match="undefined: x"):
        interop_env.go_client()


def test_a_build_that_takes_too_long_is_given_up(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interop_env, "GO_SECONDS", 0.1)
    write(stand_in, "exec sleep 600")
    with pytest.raises(interop_env.NotHere, match="took too long"):
        interop_env.go_client()
