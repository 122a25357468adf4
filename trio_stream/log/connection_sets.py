"""All sets of connections that read one file: watched, paused and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from trio_stream.log.connections import Connections


class ConnectionSets:
    """Given in the order in which a pause waits for them: the slowest first."""

    def __init__(self, sets: Sequence[Connections]) -> None:
        self._sets = sets

    def close(self) -> None:
        """Close all connections; no read may be in progress."""
        for readers in self._sets:
            readers.close()

    async def run(
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Report and count late reads until `stop` is set."""
        async with trio.open_nursery() as nursery:
            for readers in self._sets:
                nursery.start_soon(readers.watch)
            task_status.started()
            await stop.wait()
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hold up new reads, once all that are in progress have finished."""
        async with AsyncExitStack() as stack:
            for readers in self._sets:
                await readers.hold(stack)
            yield
