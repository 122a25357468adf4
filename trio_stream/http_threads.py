"""Work that grows with what a peer sends or asks for: in place while it is small, else in a thread.

A megabyte of JSON takes a tenth of a second to read or to write, for which nobody else would be
served. To the thread and back takes longer than most of it, so what is small is not sent there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

import trio

from trio_stream.log_connections import RunSync

T = TypeVar("T")

IN_PLACE_BYTES: Final = 8 * 1024
"""JSON of this size is read, and written anew, in a millisecond or two, whatever it holds."""
THREADS: Final = 2
"""More would take turns at the interpreter all the same."""


class Threads:
    """Threads for one purpose; who finds them taken waits in line."""

    def __init__(
        self, *, count: int = THREADS, run_sync: RunSync = trio.to_thread.run_sync
    ) -> None:
        self._limiter = trio.CapacityLimiter(count)
        self._run_sync = run_sync

    async def run(self, work: Callable[[], T], *, size: int) -> T:
        """What `work`, which is with `size` bytes, returns; always a checkpoint."""
        if size <= IN_PLACE_BYTES:
            await trio.lowlevel.checkpoint()
            return work()
        return cast(T, await self._run_sync(work, limiter=self._limiter))
