"""How many answers of one route are made at once.

The bytes of an answer are counted once it is made (`net.room`). Until then, thousands of
simultaneous requests would hold as many pages of the log. With a limit they hold few, and take no
longer, since only a few threads read the log anyway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

A = TypeVar("A")
T = TypeVar("T")

AT_ONCE: Final = 64
"""Answers of one route, of a quarter of a megabyte to two megabytes each."""


def some_at_a_time(
    make: Callable[[A], Awaitable[T]], most: int = AT_ONCE
) -> Callable[[A], Awaitable[T]]:
    """Like `make`, but at most `most` run at once; further calls wait in line."""
    limiter = trio.CapacityLimiter(most)

    async def made(argument: A) -> T:
        try:
            limiter.acquire_nowait()
        except trio.WouldBlock:
            await limiter.acquire()
        try:
            return await make(argument)
        finally:
            limiter.release()

    return made
