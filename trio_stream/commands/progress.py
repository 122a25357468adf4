"""A line on the terminal that says how far long work has come, and how long the rest will take.

Where standard error is no terminal nothing is written: a line that is written over again and again
makes no sense in a file.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

_EVERY: Final = 0.2
_SETTLED: Final = 2.0
"""Seconds after which the speed so far says something about the rest."""


class Progress:
    """Writes the line; call it with what is done and with the whole."""

    def __init__(
        self,
        what: str,
        unit: str,
        *,
        out: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._unit = unit
        self._out = out or sys.stderr
        self._now = now
        self._began = now()
        self._written = -math.inf
        self._width = 0

    def __call__(self, done: int, total: int) -> None:
        """Write the line again, unless it has just been written."""
        now = self._now()
        if not self._out.isatty() or now - self._written < _EVERY:
            return
        self._written = now
        share = 100 * done // total if total else 100
        line = f"{self._what}: {done:,} of {total:,} {self._unit} ({share} %)"
        if done and now - self._began >= _SETTLED:
            left = (total - done) * (now - self._began) / done
            line += f", {_duration(left)} left"
        self._write(line)

    def clear(self) -> None:
        """Make room for other lines."""
        if self._width:
            self._write("")
            self._width = 0

    def _write(self, line: str) -> None:
        rest = " " * (self._width - len(line))
        self._out.write(f"\r{line}{rest}" if line else f"\r{rest}\r")
        self._out.flush()
        self._width = len(line)


@contextmanager
def shown(what: str, unit: str) -> Iterator[Progress]:
    """A line that goes away when the work ends, in whatever way."""
    progress = Progress(what, unit)
    try:
        yield progress
    finally:
        progress.clear()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
