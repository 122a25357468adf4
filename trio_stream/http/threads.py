"""Work that grows with what a peer sends or asks for: in place while it is small, else in a thread.

A megabyte of JSON takes a tenth of a second to read or to write, for which nobody else would be
served. To the thread and back takes longer than most of it, so what is small is not sent there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Final, TypeVar, cast

import trio

from trio_stream.log.connections import RunSync
from trio_stream.net import heap

T = TypeVar("T")

IN_PLACE_BYTES: Final = 8 * 1024
"""JSON of this size is read, and written anew, in a millisecond or two, whatever it holds."""
THREADS: Final = 2
"""More would take turns at the interpreter all the same."""

TRIM_BYTES: Final = 8 << 20
"""Work on so much leaves holes in the heap, of megabytes after some time, which do not close again.

It takes a tenth of a second; to give the holes back takes half a millisecond.
"""

PEER: Final[ContextVar[str | None]] = ContextVar("peer", default=None)
"""Whose request a task answers: an address, or None where peers are not told apart."""


class OneEach:
    """Lets one request of each peer in at a time, so that those of others come between."""

    def __init__(self) -> None:
        self._limiters: dict[str, trio.CapacityLimiter] = {}
        self._present: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no other request of this task's peer is inside of such a block."""
        peer = PEER.get()
        if peer is None:
            yield
            return
        limiter = self._limiters.setdefault(peer, trio.CapacityLimiter(1))
        self._present[peer] += 1
        try:
            async with limiter:
                yield
        finally:
            self._present[peer] -= 1
            if not self._present[peer]:
                del self._present[peer], self._limiters[peer]


class Threads:
    """Threads for one purpose; who finds them taken waits in line."""

    def __init__(
        self, *, count: int = THREADS, run_sync: RunSync = trio.to_thread.run_sync
    ) -> None:
        self._limiter = trio.CapacityLimiter(count)
        self._run_sync = run_sync
        self._untrimmed = 0

    async def run(self, work: Callable[[], T], *, size: int) -> T:
        """What `work`, which is with `size` bytes, returns. Not always a checkpoint."""
        if size <= IN_PLACE_BYTES:
            return work()
        self._untrimmed += size
        if self._untrimmed >= TRIM_BYTES:
            self._untrimmed = 0
            work = partial(_and_trim, work)
        return cast(T, await self._run_sync(work, limiter=self._limiter))


def _and_trim(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        heap.trim()
