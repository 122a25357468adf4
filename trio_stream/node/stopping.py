"""The order in which tasks stop: the way the data goes, so that what is in the log gets out.

Intake, source, channel, subscribers; then what only reads or tidies. Each phase has its deadline,
after which what is left of it is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from trio_stream.config import Config, DoorSettings
from trio_stream.net.stoppable import Stoppable

Tasks = Mapping[str, Stoppable]


async def stop_node(config: Config, tasks: Tasks) -> None:
    """Stop the tasks of a node."""
    # A snapshot that is half made is dropped.
    _ask(tasks, "loop delay", "snapshots", "stream")
    await tasks["api"].quiet(config.shutdown_http)
    await tasks["abci"].finish(config.shutdown_abci)
    await _subscribers_leave(config, tasks)
    for name in ("snapshots", "checkpoints", "reads"):
        await tasks[name].finish(config.shutdown_stream)


async def stop_follower(config: DoorSettings, tasks: Tasks) -> None:
    """Stop the tasks of a follower."""
    _ask(tasks, "loop delay", "stream")
    async with trio.open_nursery() as sources:
        # No request waits for a block.
        sources.start_soon(tasks["follower"].finish, config.shutdown_stream)
        sources.start_soon(tasks["api"].quiet, config.shutdown_http)
    await tasks["drop-in"].finish(config.shutdown_stream)
    await _subscribers_leave(config, tasks)
    for name in ("checkpoints", "reads"):
        await tasks[name].finish(config.shutdown_stream)


def _ask(tasks: Tasks, *names: str) -> None:
    # The WebSocket door closes now; its subscribers leave when the channel has ended.
    for name in names:
        tasks[name].stop.set()


async def _subscribers_leave(config: DoorSettings, tasks: Tasks) -> None:
    await tasks["channel"].finish(config.shutdown_stream)
    async with trio.open_nursery() as subscribers:
        for name in ("stream", "api"):
            subscribers.start_soon(tasks[name].finish, config.shutdown_stream)
