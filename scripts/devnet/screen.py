"""What `make devnet` shows: one row per node, kept up to date on a terminal.

Where the output is no terminal, one line every few seconds says the same in short.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import trio

from scripts.devnet.comparison import Comparison

PERIOD = 0.25
LINE_PERIOD = 2.0
MESSAGES = 8
"""How many of the last messages stand below the table."""

_HEAD = " node  daemon  engine  block   events  behind   delay  stream"


@dataclass(slots=True)
class Row:
    """What is shown of a node; None: it is not there."""

    name: str
    page: str
    daemon: int | None = None
    engine: int | None = None
    height: int | None = None
    delay: float | None = None


class Screen:
    """The table and the last messages; `rows` are changed by whoever knows more."""

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        comparison: Comparison,
        out: TextIO = sys.stdout,
    ) -> None:
        self._title = title
        self._rows = rows
        self._comparison = comparison
        self._out = out
        self._live = out.isatty()
        self._messages: deque[str] = deque(maxlen=MESSAGES)
        self._drawn = 0

    def say(self, line: str) -> None:
        """Show a message."""
        if self._live:
            self._messages.extend(line.splitlines())
        else:
            print(line, file=self._out, flush=True)

    async def run(self) -> None:
        """Keep it up to date until cancelled."""
        if not self._live:
            print(self._title, file=self._out, flush=True)
        while True:
            self.draw()
            await trio.sleep(PERIOD if self._live else LINE_PERIOD)

    def draw(self) -> None:
        """Show how things are now."""
        if not self._live:
            counts = " ".join(f"{n:,}" for n in self._comparison.counts.values())
            print(f"events: {counts}; {self._agreed()}", file=self._out, flush=True)
            return
        lines = [*self._title.splitlines(), "", _HEAD, *map(self._row, self._rows), ""]
        lines += [f" {self._agreed()}", "", *self._messages]
        # Back to where it began, and clear from there.
        back = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        # A line that wraps would count as two.
        text = "".join(f"\x1b[?7l{line}\x1b[?7h\n" for line in lines)
        self._out.write(back + text)
        self._out.flush()
        self._drawn = len(lines)

    def _agreed(self) -> str:
        count = len(self._comparison.counts)
        return f"{self._comparison.agreed:,} events are the same in all {count} streams"

    def _row(self, row: Row) -> str:
        events = self._comparison.counts[row.name]
        behind = max(self._comparison.counts.values()) - events
        delay = "-" if row.delay is None else f"{row.delay * 1000:.0f} ms"
        state = "away" if row.daemon is None else "behind" if behind else "same"
        return (
            f"{row.name:>5}{_number(row.daemon):>8}{_number(row.engine):>8}"
            f"{_number(row.height):>7}{events:>9}{behind:>8}{delay:>8}  {state:<7} {row.page}"
        )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
