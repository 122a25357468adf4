"""A Trio run that lasts between calls from outside, for tests that are driven step by step."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

Job = Callable[[], Awaitable[None]]


class GuestLoop:
    """Runs async functions, one after the other, in one run with a nursery that lasts."""

    nursery: trio.Nursery

    def __init__(self) -> None:
        self._host: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._jobs, self._take = trio.open_memory_channel[Job](1)
        self._done = False
        self.over = False
        self._error: BaseException | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._host.put,
            done_callback=self._end,
            strict_exception_groups=True,
        )
        self._pump(lambda: self._token is not None)

    def do(self, job: Job) -> None:
        """Run a function, and then all tasks until each of them waits. Raises what they raise."""
        self._done = False
        assert self._token is not None
        self._token.run_sync_soon(self._jobs.send_nowait, job)
        self._pump(lambda: self._done)

    def close(self) -> None:
        """Cancel what still runs."""
        if not self.over:
            assert self._token is not None
            self._token.run_sync_soon(self._jobs.close)
            self._pump(lambda: False)

    async def _main(self) -> None:
        async with trio.open_nursery() as self.nursery:
            self._token = trio.lowlevel.current_trio_token()
            async for job in self._take:
                await job()
                await wait_all_tasks_blocked()
                self._done = True
            self.nursery.cancel_scope.cancel()

    def _end(self, outcome: Any) -> None:
        self.over = True
        self._error = getattr(outcome, "error", None)

    def _pump(self, is_done: Callable[[], bool]) -> None:
        while not is_done() and not self.over:
            self._host.get(timeout=60)()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
