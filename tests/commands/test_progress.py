"""The line of progress: on a terminal alone, not too often, and gone in the end."""

from __future__ import annotations

import io
import sys

import pytest

from trio_stream.commands.progress import Progress, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        return [each.rstrip() for each in self.getvalue().split("\r") if each.strip()]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_says_how_much_is_left_once_that_can_be_said() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress("checking", "blocks", out=out, now=clock)
    steps = ((0, 0), (1, 1_000), (4, 2_000), (400, 2_500), (9_000, 2_600))
    for now, done in steps:
        clock.now = now
        progress(done, 10_000)
    assert out.lines() == [
        "checking: 0 of 10,000 blocks (0 %)",
        "checking: 1,000 of 10,000 blocks (10 %)",
        "checking: 2,000 of 10,000 blocks (20 %), 16 s left",
        "checking: 2,500 of 10,000 blocks (25 %), 20 min 00 s left",
        "checking: 2,600 of 10,000 blocks (26 %), 7 h 06 min left",
    ]


def test_it_is_not_written_too_often() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress("checking", "blocks", out=out, now=clock)
    for number in range(100):
        clock.now = number / 100
        progress(number, 100)
    assert len(out.lines()) == 5


def test_a_shorter_line_covers_a_longer_one() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress("checking", "blocks", out=out, now=clock)
    progress(1_000, 1_000)
    clock.now = 1
    progress(1, 1)
    progress.clear()
    progress.clear()
    first, second = out.getvalue().split("\r")[1:3]
    assert len(first) == len(second)
    assert out.getvalue().endswith(" \r")


def test_nothing_to_do_is_done() -> None:
    out = Terminal()
    Progress("checking", "blocks", out=out)(0, 0)
    assert out.lines() == ["checking: 0 of 0 blocks (100 %)"]


def test_a_file_gets_nothing() -> None:
    out = io.StringIO()
    progress = Progress("checking", "blocks", out=out)
    progress(1, 2)
    progress.clear()
    assert out.getvalue() == ""


def test_it_goes_away_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)
    with pytest.raises(KeyError), shown("checking", "blocks") as progress:
        progress(1, 2)
        raise KeyError
    assert out.getvalue().endswith(" \r")
