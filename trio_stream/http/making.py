"""How many answers of one route are made at once.

What an answer holds is counted when it is made (`http_room`). Thousands of requests that come
together would hold as many pages of the log before that; made some at a time they hold few,
and take no longer, since the log is read by a few threads anyway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

A = TypeVar("A")
T = TypeVar("T")

AT_ONCE: Final = 64
"""Of a quarter of a megabyte or two each."""


def some_at_a_time(
    make: Callable[[A], Awaitable[T]], most: int = AT_ONCE
) -> Callable[[A], Awaitable[T]]:
    """As `make`, of which at most so many run at once; the others wait in line."""
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
