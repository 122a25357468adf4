"""What other programs may do to the log's files, and how the writer responds.

Programs that only read never lock the writer out. One that writes does, or that merely ran `BEGIN
IMMEDIATE` or `VACUUM`; if somebody left such a program open in another window, waiting costs less
than ending. So the writer waits, and says for whom. After a file is removed or replaced, whatever
is written goes into one that is lost with the process, so nothing more may be written.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

OPEN_SECONDS: Final = 10.0
"""How long a start waits: whoever starts a daemon watches whether it comes up."""
WRITE_SECONDS: Final = 60.0
"""How long a block waits; the engine waits with it, while all reads go on."""
_SAY_SECONDS: Final = 10.0
_PAUSES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)

_LOCKS: Final = Path("/proc/locks")


class Patience:
    """The busy handler of one connection: SQLite calls it while the connection is locked out."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds = OPEN_SECONDS
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._since = 0.0
        self._said = 0.0

    def __call__(self, tries: int) -> bool:
        """Wait a moment; False if the time is up."""
        now = self._clock()
        if not tries:
            self._since = self._said = now
        if now - self._since >= self.seconds:
            return False
        if now - self._said >= _SAY_SECONDS:
            self._said = now
            logger.warning(
                "%s has been locked for %.0f s by %s: nothing can be committed meanwhile",
                self._path,
                now - self._since,
                holder(self._path) or "another program",
            )
        self._sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
        return True


class OpenFiles:
    """The database and its write-ahead log, as they were found when they were opened."""

    def __init__(self, path: Path) -> None:
        places = [path, path.with_name(f"{path.name}-wal")]
        self._found = [(place, _identity(place)) for place in places]

    def lost(self) -> str:
        """What has happened to them; empty if both are in place."""
        for place, identity in self._found:
            now = _identity(place)
            if now != identity:
                what = "removed" if now is None else "replaced"
                return f"{place.name} was {what} while it was open"
        return ""


def _identity(place: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(place)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def holder(path: Path) -> str:
    """Which other process holds a write lock, if the system tells; otherwise empty."""
    try:
        places = {os.stat(f"{path}{suffix}").st_ino for suffix in ("", "-shm")}
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return ""
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 4711 08:01:1234567 120 120
        match line.split():
            case [_, "POSIX", _, "WRITE", process, place, _, _]:
                inode = place.rpartition(":")[2]
                if process != str(os.getpid()) and inode.isdigit():
                    if int(inode) in places:
                        return f"process {process}{_command(process)}"
    return ""


def _command(process: str) -> str:
    try:
        words = Path("/proc", process, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return f" ({b' '.join(words).decode(errors='replace').strip():.100})"
