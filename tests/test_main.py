"""The command line as a whole."""

from __future__ import annotations

import argparse

import pytest

from trio_stream import __version__
from trio_stream.__main__ import main
from trio_stream.commands import run


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_command_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_a_command_gets_its_arguments_and_gives_the_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[argparse.Namespace] = []

    def noted(parsed: argparse.Namespace) -> int:
        given.append(parsed)
        return 7

    monkeypatch.setattr(run, "run", noted)
    assert main(["run", "--home", "/there"]) == 7
    assert given[0].home == "/there"
