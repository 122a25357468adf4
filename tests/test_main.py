"""The command line as a whole."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

from scripts import child
from trio_stream import __main__ as program
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


def lacking(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on `run` cannot be imported, because there is no module of this name."""

    def load(module: str) -> ModuleType:
        if module == run.__name__:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_module(module)

    monkeypatch.setattr(program, "import_module", load)


def test_ctrl_c_ends_a_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(parsed: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", interrupted)
    assert main(["run"]) == 130
    assert capsys.readouterr().err == "trio-stream: interrupted\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_causes_no_traceback(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "trio_stream", "show-config"],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=child.environment({"PYTHONUNBUFFERED": unbuffered}),
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_without_the_packages_of_the_node_its_commands_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, "apsw")
    assert main(["run", "--home", "/there", "-h", "more"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("trio-stream: run needs packages that a client does not")
    assert "no 'apsw'" in said
    assert "pip install 'trio-stream[server]'" in said


def test_without_the_packages_of_the_node_the_others_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, "apsw")
    with pytest.raises(SystemExit) as ended:
        main(["tail", "--help"])
    assert ended.value.code == 0
    assert "--after" in capsys.readouterr().out


def test_a_missing_module_of_the_package_itself_is_a_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking(monkeypatch, "trio_stream.daemon")
    with pytest.raises(ModuleNotFoundError, match="daemon"):
        main(["run"])
