"""`trio-stream help`: the manual in a terminal and in a pipe."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from trio_stream.__main__ import main
from trio_stream.commands import help as manual_command
from trio_stream.manual import TOPICS


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


def test_without_a_topic_the_pages_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(TOPICS)


def test_a_page_is_wrapped_and_without_style_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["help", "engines"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Engines\n=======\n")
    assert "\x1b" not in out
    # The least that a table's text may have is more than half of that.
    assert max(map(len, out.splitlines())) <= 60


@pytest.mark.parametrize(("variable", "styled"), [("", True), ("1", False)])
def test_a_terminal_has_style_unless_it_is_unwanted(
    variable: str, styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(["help", "engines"]) == 0
    out = terminal.getvalue()
    assert out.startswith("\x1b[1mEngines\x1b[0m\n" if styled else "Engines\n")
    # What the terminal cannot show is replaced.
    assert out.isascii() and "0.32.1 ? 0.32.14" in out
    prose = [line for line in out.splitlines() if not line.startswith("    ")]
    assert max(map(len, prose)) <= manual_command.WIDEST


def test_an_unknown_page_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "opperating"]) == 2
    message = capsys.readouterr().err
    assert "no page 'opperating'; did you mean 'operating'?" in message
    assert "start, subscribing" in message
    assert main(["help", "xyz"]) == 2
    assert "mean" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_pipe_that_is_closed_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "trio_stream", "help", "operating"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_what_is_left_for_a_closed_pipe_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = (tmp_path / "out").open("w")

    class Closed(io.StringIO):
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            return file.fileno()

    with file:
        monkeypatch.setattr(sys, "stdout", Closed())
        assert main(["help"]) == 0
        file.write("the rest")
    assert (tmp_path / "out").read_text() == ""
