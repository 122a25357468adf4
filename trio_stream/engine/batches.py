"""Batches broadcasts: one request to the engine carries several of them.

A caller that finds no request in flight asks at once, together with those that came in the same
step of the event loop. A caller that finds one waits for its end and then goes together with all
others that did, so that a fast engine gets many per request. But it waits only for a moment, so
that a slow engine gets several requests at once, each with as many.

No caller depends on another one for its turn: one that has waited long enough makes a request
itself, and takes along those in line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import trio
from outcome import Outcome

R = TypeVar("R")

BATCH_CALLS: Final = 10
"""How many calls engines accept in one request."""
BATCH_BYTES: Final = 600_000
"""Engines accept a million bytes in one request, and base64 makes four bytes of three."""
PATIENCE: Final = 0.05
"""For how many seconds to wait for company; an engine that is not busy answers much sooner."""

AskAll = Callable[[Sequence[bytes]], Awaitable[Sequence[Outcome[R]] | None]]
"""Makes one request of all; an outcome for each, or None if the engine takes fewer at once."""


class _Caller(Generic[R]):
    """Somebody who asked, and is in line or in a batch."""

    __slots__ = ("raw", "due", "waiting", "moved", "present", "outcome")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.due = trio.Event()
        """A request has ended, and this caller is the next."""
        self.waiting = trio.CancelScope()
        """Cancelled when another caller takes this one along."""
        self.moved = trio.Event()
        """There is an outcome, or this caller is back in line."""
        self.present = True
        self.outcome: Outcome[R] | None = None

    def take(self) -> Outcome[R]:
        """The outcome, which is then not kept here: an error holds the frames that it passed."""
        assert self.outcome is not None
        found, self.outcome = self.outcome, None
        return found


class BatchesStatistics(NamedTuple):
    """How many callers are at each stage."""

    callers_in_line: int
    requests_in_flight: int
    callers_waiting_for_a_request: int


class Batches(Generic[R]):
    """At most `requests` of `ask_all` are under way at a time."""

    def __init__(self, ask_all: AskAll[R], *, requests: int) -> None:
        self._ask_all = ask_all
        self._limiter = trio.CapacityLimiter(requests)
        self._calls = BATCH_CALLS
        # In order; a dictionary, so that anybody can leave.
        self._line: dict[_Caller[R], None] = {}
        self._leading = 0

    async def ask(self, raw: bytes) -> R:
        """The answer to one. If this is cancelled, those it took along are asked again."""
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
                # It was called at the moment in which it left.
                self._call_next()
        return caller.take().unwrap()

    def statistics(self) -> BatchesStatistics:
        """How many callers and requests there are; all zero at rest."""
        limiter = self._limiter.statistics()
        return BatchesStatistics(
            len(self._line), limiter.borrowed_tokens, limiter.tasks_waiting
        )

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
            # Without an outcome either this was cancelled, or the engine takes fewer at once.
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
        """Take this one out of the line and as many others as fit; none if it was taken along."""
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
