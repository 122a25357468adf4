"""A task that can be asked to stop, and is cancelled if it does not.

The daemon's tasks are all of this kind, and stop one after the other (`daemon`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Stoppable:
    """Runs `serve`, which returns some time after `stop` is set."""

    name: str
    serve: Callable[..., Awaitable[None]]
    address: str | None = None
    stop: trio.Event = field(default_factory=trio.Event)
    done: trio.Event = field(default_factory=trio.Event)
    # A door sets it when only clients that follow the channel are left to serve.
    idle: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def run(  # noqa: ASYNC128  # what it serves reports that it has started
        self, *, task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """For `nursery.start`; returns when `serve` has, or was cancelled by `finish`."""
        with self.scope:
            await self.serve(stop=self.stop, task_status=task_status)
        self.done.set()

    async def quiet(self, seconds: float) -> None:
        """Ask it to stop, and wait until it has nothing left to do but to follow the channel."""
        self.stop.set()
        with trio.move_on_after(seconds) as patience:
            await self.idle.wait()
        if patience.cancelled_caught:
            logger.warning("%s still has requests after %g s", self.name, seconds)

    async def finish(self, seconds: float) -> None:
        """Ask it to stop, and wait; after `seconds` cancel it."""
        self.stop.set()
        with trio.move_on_after(seconds) as patience:
            await self.done.wait()
        if patience.cancelled_caught:
            logger.warning(
                "%s did not stop within %g s: cancelling it", self.name, seconds
            )
            self.scope.cancel()
            await self.done.wait()
