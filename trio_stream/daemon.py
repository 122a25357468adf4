"""The nursery: in which order its tasks start, and how they stop.

Data flows one way: the consensus engine's blocks come in at the ABCI door, are made durable in the
commit log, announced on the commit channel, and leave through the WebSocket door; the HTTP door
stands beside them. The tasks start against that flow, so that each finds its listener ready. An
orderly stop goes along with it, so that what was committed still reaches every connected client.
Cancellation is only the backstop: for a phase that overruns, for a second signal, and for a crash,
since a door that raises takes the daemon down with it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import trio

from trio_stream.config import Config, DoorSettings, FollowConfig
from trio_stream.net import notify, signals
from trio_stream.net.logs import LevelSwitch
from trio_stream.node import Addresses, Opened, open_node
from trio_stream.node.following import open_follower

logger = logging.getLogger(__name__)


async def run(  # noqa: ASYNC128  # `_run` does it
    config: Config,
    *,
    task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the node until SIGTERM, or another signal that ends it; then stop it in good order.

    Reports its addresses through `task_status` once all doors listen. Raises what a
    door raises, and `OSError`, `CommitLogError`, `CertificateError` or `TokensError` if it cannot
    start. A second signal cancels at once.
    """
    await _run(config, partial(open_node, config), task_status.started)


async def follow(  # noqa: ASYNC128  # `_run` does it
    config: FollowConfig,
    *,
    task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Follow a chain until a signal ends it, likewise; raises a `Stopped` if it can't go on."""
    await _run(config, partial(open_follower, config), task_status.started)


async def _run(
    config: DoorSettings,
    open_daemon: Callable[[AsyncExitStack], Awaitable[Opened]],
    started: Callable[[Addresses], None],
) -> None:
    # Asked now: once the terminal is closed, it is no longer seen to be one.
    at_terminal = sys.stderr.isatty()
    async with AsyncExitStack() as stack:
        # What SIGHUP means depends on whether it is ignored so far.
        ends = signals.ends(at_terminal=at_terminal)
        reloads = signals.reloads(at_terminal=at_terminal)
        ignored = stack.enter_context(
            trio.open_signal_receiver(*signals.ignored(at_terminal=at_terminal))
        )
        levels = stack.enter_context(trio.open_signal_receiver(signals.LEVEL))
        reloading = stack.enter_context(signals.receiver(reloads))
        opened = await open_daemon(stack)
        ending = stack.enter_context(trio.open_signal_receiver(*ends))
        async with trio.open_nursery() as nursery:
            reporting, switching = trio.CancelScope(), trio.CancelScope()
            notifying = trio.CancelScope()
            rereading = trio.CancelScope()
            nursery.start_soon(signals.report, ignored, reporting)
            switch = LevelSwitch(config.log_level, config.home)
            nursery.start_soon(switch.follow, levels, switching)
            nursery.start_soon(signals.call_on, reloading, opened.reload, rereading)
            for task in opened.tasks.values():
                await nursery.start(task.run)
                if task.address is not None:
                    logger.info("listening %s %s", task.name, task.address)
            supervisor = notify.from_environment(os.environ)
            supervisor.ready(opened.summary())
            nursery.start_soon(supervisor.run, opened.summary, notifying)
            started(opened.addresses)
            number = await anext(ending)
            logger.info("%s: stopping", signals.name(number))
            supervisor.stopping()
            nursery.cancel_scope.deadline = trio.current_time() + config.shutdown_total
            async with trio.open_nursery() as impatience:
                impatience.start_soon(signals.cancel_on, ending, nursery.cancel_scope)
                await opened.stop()
                impatience.cancel_scope.cancel()
            reporting.cancel()
            switching.cancel()
            notifying.cancel()
            rereading.cancel()
        if nursery.cancel_scope.cancelled_caught:
            logger.warning("stopped before everything had finished")
    logger.info("stopped")
