"""Work that grows with what a peer sends or requests: in place if it is small, else in a thread.

A megabyte of JSON takes a tenth of a second to read or to write, during which nobody else would be
served. The way to a thread and back takes longer than most of this work, so small work stays here.
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
"""JSON of this size is read and rewritten within two milliseconds, whatever it holds."""
THREADS: Final = 2
"""More threads would only take turns at the interpreter."""

TRIM_BYTES: Final = 8 << 20
"""After work on this many bytes the heap is trimmed.

Large work leaves holes in the heap that add up to megabytes and are not reused. Work on this much
takes a tenth of a second; returning the holes to the system takes half a millisecond.
"""

PEER: Final[ContextVar[str | None]] = ContextVar("peer", default=None)
"""The address whose request a task answers; None if addresses are not distinguished."""


class OneEach:
    """Admits one request of each peer at a time, so that others' requests get in between."""

    def __init__(self) -> None:
        self._limiters: dict[str, trio.CapacityLimiter] = {}
        self._present: Counter[str] = Counter()

    @property
    def peers(self) -> int:
        """How many peers have requests in such a block or waiting for one."""
        return len(self._limiters)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no other request of this task's peer is inside such a block."""
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
    """Threads for one purpose; work waits in line while all of them are busy."""

    def __init__(
        self, *, count: int = THREADS, run_sync: RunSync = trio.to_thread.run_sync
    ) -> None:
        self._limiter = trio.CapacityLimiter(count)
        self._run_sync = run_sync
        self._untrimmed = 0

    async def run(self, work: Callable[[], T], *, size: int) -> T:
        """What `work` on `size` bytes returns. Not always a checkpoint."""
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
