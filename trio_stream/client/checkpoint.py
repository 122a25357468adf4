"""Where a client keeps the position up to which its events were processed.

An event counts as processed when the caller asks for the next one, or leaves in good
order; never one that the caller failed on. So what is saved is never ahead of the caller's
work, and after a crash some events may come again, none is missing. Whoever needs
exactly once keeps the position in the same transaction as that work, and needs nothing of
this.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from trio_stream.stream.position import parse_position


class Checkpoint(Protocol):
    """Keeps a position: a database row, a key in a store."""

    def load(self) -> str | None | Awaitable[str | None]:
        """The position that was saved last; None if there was none."""

    def save(self, position: str) -> object:
        """Keep it. On return, or when what is returned has been awaited, it is kept."""


class CheckpointError(Exception):
    """What is kept cannot be used."""


class FileCheckpoint:
    """Keeps a position in a file, which always holds a whole one."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # A link stays one: what is replaced is the file that it leads to.
        self._path = Path(os.path.realpath(path))
        self._new = self._path.with_name(self._path.name + ".new")

    def load(self) -> str | None:
        """The position in the file; None if there is no file. Raises CheckpointError, OSError."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            text = data.decode("ascii").strip()
            parse_position(text)
        except ValueError:
            raise CheckpointError(
                f"{self._path} holds no position, but {data[:40]!r}; remove it to begin anew"
            ) from None
        return text

    def save(self, position: str) -> None:
        """Replace the file; durable on return, and whole at each moment."""
        with open(self._new, "w", encoding="ascii") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._new, self._path)
        # The new name is in the directory, which is written by itself.
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def open_checkpoint(
    given: Checkpoint | str | os.PathLike[str] | None,
) -> Checkpoint | None:
    """What keeps the position: a path means a file."""
    if isinstance(given, str | os.PathLike):
        return FileCheckpoint(given)
    return given


class Marks:
    """Which position may be saved, and when."""

    def __init__(self, every: int) -> None:
        if every < 1:
            raise ValueError(f"checkpoint_every is at least 1, not {every}")
        self._every = every
        self._in_hand: str | None = None
        self._processed: str | None = None
        self._count = 0

    def hand_out(self, position: str) -> None:
        """The caller has this event in hand."""
        self._in_hand = position

    def settle(self) -> None:
        """The caller is done with what it had in hand."""
        if self._in_hand is not None:
            self._processed, self._in_hand = self._in_hand, None
            self._count += 1

    def skip_to(self, position: str) -> None:
        """There is nothing to process up to this position."""
        # Due at once: it may be the beginning, which is another one after a crash. There
        # are few of these.
        self._processed, self._count = position, self._every

    def due(self, *, idle: bool) -> str | None:
        """The position that is to be saved now: when enough are done, or it is quiet."""
        return self._processed if idle or self._count >= self._every else None

    def saved(self) -> None:
        """What was due has been saved."""
        self._processed, self._count = None, 0
