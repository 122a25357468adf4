"""Tasks that come and are cancelled at any step of the event loop, for what must bear that.

Hypothesis chooses when; Trio's own choice, which of the ready tasks runs first, is repeatable
under it (pytest-trio sees to that).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import trio
from hypothesis import strategies as st
from trio.testing import MockClock


class Life(NamedTuple):
    """One task: the step in which it starts, and how many it may stay; None: all it wants."""

    begins: int
    stays: int | None


LIVES = st.lists(
    st.builds(Life, st.integers(0, 8), st.none() | st.integers(0, 8)),
    min_size=1,
    max_size=12,
)


async def steps(count: int) -> None:
    """Let so many steps of the event loop pass."""
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def storm(
    work: Callable[[int], Awaitable[object]], lives: Sequence[Life]
) -> None:
    """Run `work(number)` for each life. Fails if one that nobody cancels does not end."""

    async def live(number: int, life: Life) -> None:
        await steps(life.begins)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                if life.stays is not None:
                    nursery.start_soon(end, scope, life.stays)
                await work(number)
                nursery.cancel_scope.cancel()

    async def end(scope: trio.CancelScope, stays: int) -> None:
        await steps(stays)
        scope.cancel()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number, life in enumerate(lives):
                nursery.start_soon(live, number, life)


def run(main: Callable[[], Awaitable[Any]]) -> None:
    """Run it on a clock that jumps."""
    trio.run(main, clock=MockClock(autojump_threshold=0))
