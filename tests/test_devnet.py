"""The parts of `make devnet` that need no engine: the comparison and the table."""

from __future__ import annotations

import io
import re

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scripts.devnet.comparison import Comparison, Differs
from scripts.devnet.screen import Row, Screen


async def test_what_all_have_is_agreed() -> None:
    comparison = Comparison(["a", "b"])
    for name, message in [("a", "1"), ("a", "2"), ("b", "1"), ("a", "3"), ("b", "2")]:
        await comparison.take(name, message)
    assert comparison.agreed == 2
    assert comparison.counts == {"a": 3, "b": 2}


@pytest.mark.parametrize("order", ["ab", "ba"])
async def test_a_difference_is_reported_with_its_place(order: str) -> None:
    one, two = order[0], order[1]
    comparison = Comparison(["a", "b"])
    for name in order:
        await comparison.take(name, "same")
    await comparison.take(one, "this")
    with pytest.raises(
        Differs, match=f"event 2 .*at {one} and at {two}, where it is that"
    ):
        await comparison.take(two, "that")


async def test_a_stream_that_is_too_far_ahead_waits() -> None:
    comparison = Comparison(["a", "b"], most_ahead=2)
    for message in "12":
        await comparison.take("a", message)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(comparison.take, "a", "3")
        await wait_all_tasks_blocked()
        assert comparison.counts["a"] == 2
        await comparison.take("b", "1")
        await wait_all_tasks_blocked()
        assert comparison.counts["a"] == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(out: io.StringIO) -> tuple[Screen, Comparison]:
    rows = [Row("1", "http://one/", 11, 12, 7, 0.0144), Row("2", "http://two/")]
    comparison = Comparison(["1", "2"])
    return Screen("a net\nof two", rows, comparison, out), comparison


async def test_the_table_is_drawn_over_the_last_one() -> None:
    out = Terminal()
    table, comparison = screen(out)
    await comparison.take("1", "event")
    table.say("first\nsecond")
    table.draw()
    first = out.getvalue()
    table.draw()
    again = out.getvalue().removeprefix(first)
    assert again.startswith(f"\x1b[{first.count(chr(10))}F\x1b[J")
    shown = re.sub(r"\x1b\[\??\d*\w", "", first).splitlines()
    assert shown[:2] == ["a net", "of two"]
    assert shown[-2:] == ["first", "second"]
    rows = [line.split() for line in shown if "http" in line]
    assert rows == [
        ["1", "11", "12", "7", "1", "0", "14", "ms", "same", "http://one/"],
        ["2", "-", "-", "-", "0", "1", "-", "away", "http://two/"],
    ]


async def test_without_a_terminal_there_are_lines(autojump_clock: object) -> None:
    out = io.StringIO()
    table, _ = screen(out)
    with trio.move_on_after(3):
        await table.run()
    table.say("first")
    assert out.getvalue().splitlines() == [
        "a net",
        "of two",
        *2 * ["events: 0 0; 0 events are the same in all 2 streams"],
        "first",
    ]
