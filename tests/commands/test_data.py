"""Which data directory a command works on, and how it ends."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from trio_stream.commands.data import add_command
from trio_stream.log.errors import LogInUse


def run(work, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_command(commands, "work", work, help="works", description="Works.")
    given = parser.parse_args(["work", *arguments])
    status: int = given.command(given)
    return status


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As in a process that was just started; set back after the test."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    # A shell without job control lets what it starts with `&` ignore SIGINT, tests included.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def homes() -> list[Path]:
    return []


@pytest.fixture
def work(homes: list[Path]):
    def work(parsed: argparse.Namespace, home: Path) -> int:
        homes.append(home)
        return 7

    return work


def test_the_directory_is_found_where_the_daemon_finds_it(
    work, homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "node.toml"
    file.write_text('home = "/of/the/file"')
    assert run(work) == run(work, "--config", str(file)) == 7
    monkeypatch.setenv("TRIO_STREAM_HOME", "/of/the/environment")
    assert run(work, "--config", str(file)) == 7
    assert run(work, "--home", "/given") == 7
    assert homes == [
        Path("trio_stream_data"),
        Path("/of/the/file"),
        Path("/of/the/environment"),
        Path("/given"),
    ]


def test_a_configuration_that_cannot_be_used_is_status_2(
    work, homes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(work, "--config", "/nowhere.toml") == 2
    assert capsys.readouterr().err.startswith("trio-stream: configuration file /now")
    assert not homes


def test_an_error_of_the_log_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work(parsed: argparse.Namespace, home: Path) -> int:
        raise LogInUse("open", home, "it belongs to process 7")

    assert run(work, "--home", "/there") == 1
    said = capsys.readouterr().err
    assert said.startswith("trio-stream: cannot open /there: it belongs to process 7 (")
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    def work(parsed: argparse.Namespace, home: Path) -> int:
        signal.raise_signal(number)
        return 0

    assert run(work) == 130
    assert capsys.readouterr().err == "trio-stream: interrupted\n"
