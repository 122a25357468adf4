"""The clones that share a selection, and what a clone is to those who serve it while it waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol

from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import S
from trio_stream.stream.position import Position

SendNowait = Callable[[Frames, int], int | None]
"""Sends frames, from an offset on, without waiting. None: all of them are sent. Otherwise the
frame end up to which they are sent or owed; the clone's task has to send the rest."""


class Waiter(Protocol):
    """A clone that waits."""

    @property
    def send_nowait(self) -> SendNowait | None: ...

    @property
    def position(self) -> Position: ...

    @property
    def waiting(self) -> bool: ...

    @property
    def until(self) -> Position | None: ...

    def fall_behind(self, frames: Frames, taken: int, *, owing: bool) -> None: ...

    def wake(self) -> None: ...


class Group(Generic[S]):
    """The clones that share a selection."""

    __slots__ = (
        *("is_shared", "last", "readers", "selection"),
        *("unserved", "unserved_at", "waiters"),
    )

    def __init__(self, selection: S, end: Position, *, is_shared: bool = False) -> None:
        self.selection = selection
        self.is_shared = is_shared
        """Whether its frames are in the tail."""
        self.readers = 0
        self.last = end
        """The end of the last run that had messages for this selection."""
        # Those that have seen everything; and during a pass, those that still stand where
        # the tail ended before it.
        self.waiters: dict[Waiter, None] = {}
        self.unserved: dict[Waiter, None] = {}
        self.unserved_at = end

    def begin_pass(self, before: Position, end: Position) -> None:
        """Mark all waiters as unserved; they stand at `before` until they are served."""
        self.last = end
        if self.waiters:
            self.unserved, self.waiters = self.waiters, {}
            self.unserved_at = before

    def position_of(self, waiter: Waiter, end: Position) -> Position | None:
        """Where a waiting clone stands if the tail ends at `end`; None: it is not waiting."""
        if waiter in self.waiters:
            return end
        return self.unserved_at if waiter in self.unserved else None

    def send_to_log(self) -> None:
        """Wake all that are unserved; each will read the log."""
        for waiter in list(self.unserved):
            waiter.wake()
