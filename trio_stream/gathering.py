"""Requests that arrive while one is in flight are batched into the next.

If a question costs little and the way there and back a lot (a thread, a request over the network),
many concurrent askers should share the way. An asker that finds a free turn asks at once, together
with those that came in the same step of the event loop: nobody waits for company. If all turns are
taken an asker waits in line, and the first in line takes the next turn for everybody behind it, up
to a limit. So batches are as large as the load makes them, and without load there are none.

A turn is never handed from one asker to another, since either may be cancelled at any moment. It is
taken and given back in one block of one task. An asker that gives one back, or leaves the line,
calls the first in line, which looks for itself whether there is a turn to take. A call in vain does
no harm, and no call can be lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import outcome
import trio

T = TypeVar("T")
R = TypeVar("R")


class _Asker(Generic[T, R]):
    """Somebody who asked: first in line, then in a turn."""

    __slots__ = ("item", "in_turn", "has_left", "outcome", "_called")

    def __init__(self, item: T) -> None:
        self.item = item
        self.in_turn = False
        self.has_left = False
        self.outcome: outcome.Outcome[R] | None = None
        self._called: trio.Event | None = None

    async def wait(self) -> None:
        """Wait until something has changed, or may have."""
        self._called = trio.Event()
        await self._called.wait()

    def call(self) -> None:
        if self._called is not None:
            self._called.set()

    def unwrap(self) -> R:
        # An error's traceback holds this frame, which must not hold the error.
        found, self.outcome = self.outcome, None
        assert found is not None
        try:
            return found.unwrap()
        finally:
            del found


class GatheringStatistics(NamedTuple):
    """What `Gathering.statistics` returns."""

    free_turns: int
    waiting: int
    """Those who ask and are in no turn yet."""


class Gathering(Generic[T, R]):
    """Asks through `ask_all`, which returns an outcome for each item, in order.

    At most `turns` calls of it are in flight at a time, each with at most `limit` items. If it
    raises, every asker of that turn gets the exception.
    """

    def __init__(
        self,
        ask_all: Callable[[Sequence[T]], Awaitable[Sequence[outcome.Outcome[R]]]],
        *,
        turns: int,
        limit: int,
    ) -> None:
        self._ask_all = ask_all
        self._free_turns = turns
        self._limit = limit
        self._collecting = False
        # Those who are not in a turn. Ordered, and anybody can leave without a search.
        self._line: OrderedDict[_Asker[T, R], None] = OrderedDict()

    def statistics(self) -> GatheringStatistics:
        """How many turns and askers there are; at rest all turns are free and nobody waits."""
        return GatheringStatistics(self._free_turns, len(self._line))

    async def ask(self, item: T) -> R:
        """The answer to `item`. Cancelling this does not affect the other askers."""
        asker: _Asker[T, R] = _Asker(item)
        self._line[asker] = None
        try:
            if self._free_turns and not self._collecting:
                self._collecting = True
                await trio.lowlevel.cancel_shielded_checkpoint()
                self._collecting = False
            while asker.outcome is None:
                if asker.in_turn or self._collecting or not self._free_turns:
                    await asker.wait()
                else:
                    await self._take_turn()
        finally:
            if asker.outcome is None:
                self._leave(asker)
        return asker.unwrap()

    def _leave(self, asker: _Asker[T, R]) -> None:
        asker.has_left = True
        self._line.pop(asker, None)
        self._call_next()

    def _call_next(self) -> None:
        if self._free_turns and self._line:
            next(iter(self._line)).call()

    async def _take_turn(self) -> None:
        """Ask on behalf of the head of the line."""
        size = min(self._limit, len(self._line))
        batch = [self._line.popitem(last=False)[0] for _ in range(size)]
        for asker in batch:
            asker.in_turn = True
        self._free_turns -= 1
        self._call_next()
        try:
            outcomes = await self._outcomes([asker.item for asker in batch])
            for asker, each in zip(batch, outcomes, strict=True):
                asker.outcome = each
                asker.call()
        finally:
            self._free_turns += 1
            self._put_back(batch)
            self._call_next()

    async def _outcomes(self, items: Sequence[T]) -> Sequence[outcome.Outcome[R]]:
        try:
            return await self._ask_all(items)
        except Exception as error:
            # One each, since an outcome can be unwrapped only once.
            return [outcome.Error(error) for _ in items]

    def _put_back(self, batch: Sequence[_Asker[T, R]]) -> None:
        """Put those without an answer, whose leader was cancelled, back at the head of the line."""
        for asker in reversed(batch):
            asker.in_turn = False
            if asker.outcome is None and not asker.has_left:
                self._line[asker] = None
                self._line.move_to_end(asker, last=False)
