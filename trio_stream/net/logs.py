"""How the daemon logs: lines for people or for programs, and a level that may change at run time.

Lines go to standard error. On a terminal they are for people; otherwise each is a JSON object, so
that a traceback or whatever a peer sent is still one line, which a collector need not guess at.

SIGUSR1 switches between debug and the configured level. `trio-stream log-level` asks for any level:
it leaves its name in the data directory and sends the same signal. The file is removed once the
level is set, which is how the command learns of it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import trio

logger = logging.getLogger(__name__)

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS: Final = ("auto", "human", "json")
WISH: Final = "log_level"
"""The file in the data directory that names the level asked for."""

_HUMAN: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Their own lines would repeat what ours say of each request.
_LIBRARIES: Final = ("trio-websocket", "hypercorn", "quart")


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        said = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def set_up(form: str = "auto") -> None:
    """Log to standard error in one of `FORMATS`. May be called again, to change it."""
    is_human = form == "human" or (form == "auto" and sys.stderr.isatty())
    formatter = logging.Formatter(_HUMAN) if is_human else JsonFormatter()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    for handler in logging.root.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(formatter)


def set_level(level: str) -> None:
    """Log this level and those above it; of the libraries, warnings at most."""
    logging.root.setLevel(level)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, logging.root.level))


class LevelSwitch:
    """Sets the level when a signal asks for it."""

    def __init__(self, configured: str, home: Path) -> None:
        self._configured = configured
        self._wish = home / WISH

    async def follow(
        self, signals: AsyncIterator[int], scope: trio.CancelScope
    ) -> None:
        """Switch at each signal, until `scope` is cancelled."""
        with scope:
            async for _ in signals:
                self.switch()

    def switch(self) -> None:
        """Set the level that was asked for; if none was, to debug or back from it."""
        try:
            wished = self._take_wish()
        except (OSError, ValueError) as error:
            logger.warning("%s could not be read: %s", self._wish, error)
            return
        now = logging.getLevelName(logging.root.level)
        away_from_debug = "INFO" if self._configured == "DEBUG" else self._configured
        level = wished or ("DEBUG" if now != "DEBUG" else away_from_debug)
        if level not in LEVELS:
            logger.warning("there is no log level %.20r", level)
            return
        set_level(level)
        # At any level, so that the log says why it changes.
        logger.log(logging.root.level, "the log level is now %s", level.lower())

    def _take_wish(self) -> str:
        try:
            with self._wish.open(encoding="ascii") as file:
                name = file.read(20).strip().upper()
        except FileNotFoundError:
            return ""
        self._wish.unlink()
        return name
