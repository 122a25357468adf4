"""Broadcasts that go together: one request to the node has several of them.

Who finds no request under way asks at once, together with those who came in the same step of the
event loop. Who finds one waits for its end and then goes with all the others who did, so that a
fast node is asked for many at a time; but no longer than for a moment, so that a slow node is asked
by several requests at once, each with as many.

Nobody depends on another for a turn: who has waited long enough asks by himself, and takes along
whoever stands in line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import trio
from outcome import Outcome

R = TypeVar("R")

# Engines take ten calls in a request, and a million bytes of them, where base64 makes four of
# three.
BATCH_CALLS: Final = 10
BATCH_BYTES: Final = 600_000
PATIENCE: Final = 0.05
"""Seconds for which company is waited for; a node that is not busy has answered long before."""

AskAll = Callable[[Sequence[bytes]], Awaitable[Sequence[Outcome[R]] | None]]
"""Makes one request of all; an outcome for each, or None if so many can't be asked at once."""


class _Caller(Generic[R]):
    """Somebody who asked, and is in line or in a batch."""

    __slots__ = ("raw", "due", "waiting", "moved", "present", "outcome")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.due = trio.Event()
        """A request has ended, and this one is the next."""
        self.waiting = trio.CancelScope()
        """Ends when another takes this one along."""
        self.moved = trio.Event()
        """There is an outcome, or it is back in line."""
        self.present = True
        self.outcome: Outcome[R] | None = None

    def take(self) -> Outcome[R]:
        """The outcome, kept by nobody: an error holds the frames that it passed."""
        assert self.outcome is not None
        found, self.outcome = self.outcome, None
        return found


class Batches(Generic[R]):
    """At most `requests` of `ask_all` are under way at a time."""

    def __init__(self, ask_all: AskAll[R], *, requests: int) -> None:
        self._ask_all = ask_all
        self._limiter = trio.CapacityLimiter(requests)
        self._calls = BATCH_CALLS
        # In order; a dictionary, so that any can leave.
        self._line: dict[_Caller[R], None] = {}
        self._leading = 0

    async def ask(self, raw: bytes) -> R:
        """The answer to one. If this is cancelled, those it took along are asked for again."""
        caller: _Caller[R] = _Caller(raw)
        self._line[caller] = None
        try:
            while caller.outcome is None:
                with caller.waiting:
                    await self._lead_when_due(caller)
                await caller.moved.wait()
                caller.moved, caller.waiting = trio.Event(), trio.CancelScope()
        finally:
            caller.present = False
            self._line.pop(caller, None)
            if caller.due.is_set():
                # Called in the moment in which it left.
                self._call_next()
        return caller.take().unwrap()

    async def _lead_when_due(self, caller: _Caller[R]) -> None:
        if self._leading:
            with trio.move_on_after(PATIENCE):
                await caller.due.wait()
        caller.due = trio.Event()
        self._leading += 1
        batch: list[_Caller[R]] = []
        try:
            async with self._limiter:
                batch = self._take(caller)
                if batch:
                    await self._ask(batch)
        finally:
            self._leading -= 1
            # Where there is no outcome this was cancelled, or the node takes fewer.
            again = [each for each in batch if each.outcome is None and each.present]
            self._line = dict.fromkeys(again) | self._line
            for each in batch:
                each.moved.set()
            self._call_next()

    async def _ask(self, batch: Sequence[_Caller[R]]) -> None:
        outcomes = await self._ask_all([each.raw for each in batch])
        if outcomes is None:
            self._calls = 1
            return
        for each, found in zip(batch, outcomes, strict=True):
            each.outcome = found

    def _take(self, caller: _Caller[R]) -> list[_Caller[R]]:
        """Out of the line: this one, and with it as many as go; none if another has taken it."""
        if caller not in self._line:
            return []
        batch, size = [caller], len(caller.raw)
        for other in self._line:
            size += len(other.raw) if other is not caller else 0
            if len(batch) == self._calls or size > BATCH_BYTES:
                break
            if other is not caller:
                batch.append(other)
                other.waiting.cancel()
        for each in batch:
            del self._line[each]
        return batch

    def _call_next(self) -> None:
        for caller in self._line:
            caller.due.set()
            return
