"""What tests of the client share: a network in memory, and how a stream is opened in it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import trio

from tests.scripted_server import Network
from trio_stream.client import Events, Options


async def inline(work: Callable[[str], object], argument: str) -> object:
    """For `run_sync`: a task that waits for a thread looks idle to the mock clock."""
    await trio.lowlevel.checkpoint()
    return work(argument)


@asynccontextmanager
async def open_network() -> AsyncIterator[Network]:
    async with trio.open_nursery() as nursery:
        yield Network(nursery)
        nursery.cancel_scope.cancel()


def options(network: Network, **more: Any) -> Options:
    stand_ins = {
        "open_tcp": network.open_tcp,
        "jitter": lambda: 1.0,
        "run_sync": inline,
    }
    return cast(Options, stand_ins | more)


async def take(events: Events, count: float = math.inf) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        try:
            found.append(await anext(events))
        except StopAsyncIteration:
            break
    return found
