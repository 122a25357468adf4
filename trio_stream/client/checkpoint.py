"""Where a client keeps the position up to which its events were processed.

An event counts as processed when the caller asks for the next one, or leaves in good order, but
not if the caller failed on it. So the saved position is never ahead of the caller's work: after a
crash some events may come again, but none is missing. A position that several events share is
saved once all of them have been processed. A program that needs each event exactly once saves the
position in the same transaction as its work, and needs nothing of this.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from trio_stream.stream.position import parse_position


class Checkpoint(Protocol):
    """Keeps a position, for instance as a database row or a key in a store."""

    def load(self) -> str | None | Awaitable[str | None]:
        """The last saved position; None if there is none."""

    def save(self, position: str) -> object:
        """Keep the position; it is durable once the call, or the awaitable it returns, is done."""


class CheckpointError(Exception):
    """The saved position cannot be used."""


class FileCheckpoint:
    """Keeps a position in a file that is always replaced as a whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # A symbolic link is followed, so that the file it points to is replaced.
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
                f"{self._path} does not hold a position but {data[:40]!r};"
                " remove the file to start afresh"
            ) from None
        return text

    def save(self, position: str) -> None:
        """Replace the file atomically; it is durable on return."""
        with open(self._new, "w", encoding="ascii") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._new, self._path)
        # The rename is durable only once the directory is.
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def open_checkpoint(
    given: Checkpoint | str | os.PathLike[str] | None,
) -> Checkpoint | None:
    """The checkpoint to use; a path stands for a file."""
    if isinstance(given, str | os.PathLike):
        return FileCheckpoint(given)
    return given


class Marks:
    """Which position may be saved, and when."""

    def __init__(self, every: int) -> None:
        if every < 1:
            raise ValueError(f"checkpoint_every must be at least 1, not {every}")
        self._every = every
        self._in_hand: str | None = None
        self._processed: str | None = None
        self._count = 0

    def hand_out(self, position: str | None) -> None:
        """The caller is given the last event at this position; None: one that others follow."""
        self._in_hand = position

    def settle(self) -> None:
        """The caller is done with the event it was given."""
        if self._in_hand is not None:
            self._processed, self._in_hand = self._in_hand, None
            self._count += 1

    def skip_to(self, position: str) -> None:
        """There is nothing to process up to this position."""
        # Due at once: it may be where a stream "from now on" began, which would be elsewhere
        # after a crash. There are few of these.
        self._processed, self._count = position, self._every

    def due(self, *, idle: bool) -> str | None:
        """The position to save now, if enough events are done or the stream is `idle`."""
        return self._processed if idle or self._count >= self._every else None

    def saved(self) -> None:
        """The position that was due has been saved."""
        self._processed, self._count = None, 0
