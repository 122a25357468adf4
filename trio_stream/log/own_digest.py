"""The digest of the log that a daemon has open, for InitChain of a chain that goes on with it.

A log does not change below its tip, so what was worked out once is kept: an engine whose start was
cut short asks again. It takes about a minute for each two million transactions, while the state
machine's thread does nothing else, and says how far it has come. A daemon that stops interrupts it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from trio_stream.ledger.history import Interrupted
from trio_stream.log.digest import digest
from trio_stream.log.errors import translated
from trio_stream.log.file import open_for_reading

logger = logging.getLogger(__name__)

SAY_SECONDS: Final = 10.0
"""Between two lines that say how far it has come."""


class OwnDigest:
    """Makes digests of one log, and remembers the newest."""

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._clock = clock
        self._known: tuple[int, str] | None = None
        self._is_given_up = False
        self._due = 0.0

    def up_to(self, height: int) -> str:
        """The digest of the blocks up to this height; raises `Interrupted`."""
        if self._known is not None and self._known[0] == height:
            return self._known[1]
        self._due = self._clock() + SAY_SECONDS
        # The connection that writes keeps no read open.
        with translated("read", self._path):
            connection = open_for_reading(self._path)
        with closing(connection):
            made = digest(
                connection, self._path, height=height, progress=self._progress
            )
        logger.info("the digest up to height %d is %s", height, made.digest)
        self._known = height, made.digest
        return made.digest

    def give_up(self) -> None:
        """Interrupt what is in progress, and all that is asked for later."""
        self._is_given_up = True

    def _progress(self, done: int, total: int) -> None:
        if self._is_given_up:
            raise Interrupted("the daemon stops: ask again when it runs")
        now = self._clock()
        if now >= self._due:
            self._due = now + SAY_SECONDS
            logger.info("digest of the log: %d of %d transactions", done, total)
