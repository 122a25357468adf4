"""Questions that come while one is under way are put together in the next.

Where a question costs little and the way there and back a lot (a thread, a request over
the network), many askers at once should share the way. Whoever finds a turn free asks at
once, together with those who came in the same step of the event loop: nobody waits for
company. Whoever comes while all turns are taken stands in
line, and the first of the line takes the next turn for all behind it, up to a limit. So a
batch is as large as the load is, and without load there are none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import outcome
import trio

T = TypeVar("T")
R = TypeVar("R")


class _Place(Generic[T, R]):
    """An asker's place in line."""

    __slots__ = ("item", "called", "leads", "outcome")

    def __init__(self, item: T) -> None:
        self.item = item
        self.called = trio.Event()
        self.leads = False
        self.outcome: outcome.Outcome[R] | None = None

    def pop(self) -> outcome.Outcome[R]:
        """The outcome, which is let go of: an error holds the frames that hold this place."""
        found, self.outcome = self.outcome, None
        assert found is not None
        return found


class Gathering(Generic[T, R]):
    """Asks by `ask_all`, which gives an outcome for each item, in order.

    At most `turns` calls of it are under way at a time, each with at most `limit` items.
    What it raises is raised to each asker of that turn.
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
        self._line: deque[_Place[T, R]] = deque()

    async def ask(self, item: T) -> R:
        """The answer to `item`. If this is cancelled, others in line are asked for still."""
        place: _Place[T, R] = _Place(item)
        self._line.append(place)
        if self._free_turns and not self._collecting:
            self._free_turns -= 1
            place.leads = self._collecting = True
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._collecting = False
        else:
            await self._wait(place)
        if place.leads:
            await self._lead()
        return place.pop().unwrap()

    async def _wait(self, place: _Place[T, R]) -> None:
        called = False
        try:
            await place.called.wait()
            called = True
        finally:
            if not called:
                self._leave(place)

    def _leave(self, place: _Place[T, R]) -> None:
        if place in self._line:
            self._line.remove(place)
        if place.leads:
            self._pass_on()

    async def _lead(self) -> None:
        """Take a turn for the head of the line, where the caller stands first."""
        size = min(self._limit, len(self._line))
        batch = [self._line.popleft() for _ in range(size)]
        if self._line and self._free_turns:
            self._free_turns -= 1
            self._pass_on()
        outcomes: Sequence[outcome.Outcome[R]] | None = None
        try:
            outcomes = await self._ask_all([place.item for place in batch])
        except Exception as error:
            # Theirs to handle, each for itself; an outcome can be unwrapped once.
            outcomes = [outcome.Error(error) for _ in batch]
        finally:
            if outcomes is None:
                # Cancelled, which is nothing to the others.
                self._line.extendleft(reversed(batch[1:]))
            self._pass_on()
        for place, each in zip(batch, outcomes, strict=True):
            place.outcome = each
            place.called.set()

    def _pass_on(self) -> None:
        if self._line:
            self._line[0].leads = True
            self._line[0].called.set()
        else:
            self._free_turns += 1
