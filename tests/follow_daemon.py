"""The whole follower in this process, before nodes that do what a test says."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import h11
import trio

from scripts import http_client
from tests.follower.fake_node import FakeNode
from tests.test_daemon import DEADLINE, host_and_port
from trio_stream import daemon
from trio_stream.config import Address, FollowConfig
from trio_stream.node import Addresses

FAST = 1_000.0
"""Requests a second."""


def settings(folder: Path, *nodes: str, **more: object) -> FollowConfig:
    given = {
        "home": folder / "home",
        "node": nodes,
        "from_": "earliest",
        "stream": Address("127.0.0.1", 0),
        "api": Address("127.0.0.1", 0),
        "rate": FAST,
    }
    return FollowConfig(**{**given, **more})  # type: ignore[arg-type]  # any setting


@asynccontextmanager
async def serving(*fakes: FakeNode) -> AsyncIterator[list[str]]:
    """The addresses of these nodes, which listen while the block runs."""
    async with trio.open_nursery() as nursery:
        urls = []
        for fake in fakes:
            serve = partial(_serve, fake)
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            await nursery.start(trio.serve_listeners, serve, [listener])
            urls.append(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")
        yield urls
        nursery.cancel_scope.cancel()


async def _serve(fake: FakeNode, stream: trio.SocketStream) -> None:
    with suppress(
        trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError
    ):
        await fake(stream)


@asynccontextmanager
async def following(config: FollowConfig) -> AsyncIterator[Addresses]:
    """The follower while the block runs; SIGTERM at the end, as an operator would."""
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(partial(daemon.follow, config))
            try:
                yield addresses
            except BaseException:
                nursery.cancel_scope.cancel()
                raise
            signal.raise_signal(signal.SIGTERM)


async def ends(config: FollowConfig) -> Exception:
    """What ends a follower by itself."""
    with trio.fail_after(DEADLINE):
        try:
            await daemon.follow(config)
        except Exception as error:
            while isinstance(error, ExceptionGroup):
                (error,) = error.exceptions
            return error
    raise AssertionError("it ended in good order")


async def get(addresses: Addresses, target: str) -> Any:
    """The JSON that is there."""
    host, port = host_and_port(addresses.api)
    return (await http_client.fetch(host, port, "GET", target)).json()


async def messages(
    addresses: Addresses, query: str, count: int
) -> list[dict[str, Any]]:
    """So many messages from the beginning, however long the follower takes to have them."""
    found: list[dict[str, Any]] = []
    after = "earliest"
    while len(found) < count:
        target = f"/api/v1/events?{query}&after={after}&limit=1000&wait=30"
        answer = await get(addresses, target)
        found += answer["events"]
        after = answer["next"]
    return found


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    """Ask again until it is so."""
    while not await is_so():  # noqa: ASYNC110  # it is asked over a connection
        await trio.sleep(0.01)


async def status(addresses: Addresses) -> dict[str, Any]:
    answer = await get(addresses, "/api/v1/status")
    assert isinstance(answer, dict), json.dumps(answer)
    return answer


async def reaches(addresses: Addresses, height: int) -> None:
    """Wait until the follower has that block."""

    async def has() -> bool:
        return bool(((await status(addresses))["height"] or 0) >= height)

    await until(has)
