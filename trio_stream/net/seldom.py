"""Log lines that a peer can cause as often as it likes, limited to a readable number.

The first few in a minute are logged as they are, the rest at DEBUG; the first line after that
minute says how many were left out. So a peer cannot fill a disk, and an operator still sees that
it tries.
"""

from __future__ import annotations

import logging

import trio

PERIOD_SECONDS = 60.0


class Seldom:
    """A logger's lines of one kind, at most `at_most` a minute above DEBUG."""

    def __init__(self, logger: logging.Logger, *, at_most: int) -> None:
        self._logger = logger
        self._at_most = at_most
        self._since = -PERIOD_SECONDS
        self._said = 0

    def log(self, level: int, message: str, *args: object) -> None:
        """Log the line, if there is room for it in this minute; else at DEBUG."""
        now = trio.current_time()
        if now - self._since >= PERIOD_SECONDS:
            left_out = self._said - self._at_most
            if left_out > 0:
                self._logger.log(
                    level, "%d more lines like the next one were left out", left_out
                )
            self._since, self._said = now, 0
        self._said += 1
        if self._said > self._at_most:
            level = logging.DEBUG
        self._logger.log(level, message, *args)
