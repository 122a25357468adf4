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
from contextlib import AsyncExitStack

import trio

from trio_stream.config import Config
from trio_stream.net import notify, signals
from trio_stream.net.logs import LevelSwitch
from trio_stream.net.stoppable import Stoppable
from trio_stream.node import Addresses, open_node

logger = logging.getLogger(__name__)


async def run(
    config: Config,
    *,
    task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the node until SIGTERM, or another signal that ends it; then stop it in good order.

    Reports its addresses through `task_status` once all doors listen. Raises what a
    door raises, and `OSError`, `CommitLogError`, `CertificateError` or `TokensError` if it cannot
    start. A second signal cancels at once.
    """
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
        node = await open_node(config, stack)
        tasks = node.tasks
        ending = stack.enter_context(trio.open_signal_receiver(*ends))
        async with trio.open_nursery() as nursery:
            reporting, switching = trio.CancelScope(), trio.CancelScope()
            notifying = trio.CancelScope()
            rereading = trio.CancelScope()
            nursery.start_soon(signals.report, ignored, reporting)
            switch = LevelSwitch(config.log_level, config.home)
            nursery.start_soon(switch.follow, levels, switching)
            nursery.start_soon(signals.call_on, reloading, node.reload, rereading)
            for task in tasks.values():
                await nursery.start(task.run)
                if task.address is not None:
                    logger.info("listening %s %s", task.name, task.address)
            supervisor = notify.from_environment(os.environ)
            supervisor.ready(node.summary())
            nursery.start_soon(supervisor.run, node.summary, notifying)
            task_status.started(node.addresses)
            number = await anext(ending)
            logger.info("%s: stopping", signals.name(number))
            supervisor.stopping()
            nursery.cancel_scope.deadline = trio.current_time() + config.shutdown_total
            async with trio.open_nursery() as impatience:
                impatience.start_soon(signals.cancel_on, ending, nursery.cancel_scope)
                await _shut_down(config, tasks)
                impatience.cancel_scope.cancel()
            reporting.cancel()
            switching.cancel()
            notifying.cancel()
            rereading.cancel()
        if nursery.cancel_scope.cancelled_caught:
            logger.warning("stopped before everything had finished")
    logger.info("stopped")


async def _shut_down(config: Config, tasks: dict[str, Stoppable]) -> None:
    """Stop the way the data goes: intake, source, channel, subscribers."""
    tasks["loop delay"].stop.set()
    # A snapshot that is half made is dropped.
    tasks["snapshots"].stop.set()
    # The WebSocket door closes now; its subscribers leave when the channel has ended.
    tasks["stream"].stop.set()
    await tasks["api"].quiet(config.shutdown_http)
    await tasks["abci"].finish(config.shutdown_abci)
    await tasks["channel"].finish(config.shutdown_stream)
    async with trio.open_nursery() as subscribers:
        for name in ("stream", "api"):
            subscribers.start_soon(tasks[name].finish, config.shutdown_stream)
    for name in ("snapshots", "checkpoints", "reads"):
        await tasks[name].finish(config.shutdown_stream)
