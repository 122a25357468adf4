"""Lines that a peer can cause are few, and at DEBUG none is lost."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

from trio_stream.net.seldom import PERIOD_SECONDS, Seldom


async def test_the_first_lines_of_a_minute_are_logged_and_the_rest_counted(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    caplog.set_level(logging.DEBUG)
    lines = Seldom(logging.getLogger("door"), at_most=2)
    for number in range(5):
        lines.log(logging.WARNING, "line %d", number)
    await trio.sleep(PERIOD_SECONDS)
    lines.log(logging.WARNING, "line %d", 5)
    await trio.sleep(PERIOD_SECONDS)
    lines.log(logging.WARNING, "line %d", 6)

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "line 0"),
        ("WARNING", "line 1"),
        *[("DEBUG", f"line {number}") for number in (2, 3, 4)],
        ("WARNING", "3 more lines like the next one were left out"),
        ("WARNING", "line 5"),
        ("WARNING", "line 6"),
    ]
