"""A follower in a test, before fake nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from tests.follower.fake_node import FakeNode
from tests.follower.memory import MemoryLog
from tests.follower.wires import Wires
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip, Gap
from trio_stream.follower.follower import Follower
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings, RunSync
from trio_stream.follower.troubles import Stopped

T = TypeVar("T")


async def inline(call: Callable[[], T]) -> T:
    """As a thread, for a clock that jumps."""
    await trio.lowlevel.checkpoint()
    return call()


async def once_all_wait(call: Callable[[], T]) -> T:
    """As a thread that takes its time."""
    await wait_all_tasks_blocked()
    return call()


class Followed:
    """A follower in a test, and what came of it."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.advanced: list[FollowedTip] = []
        self.handed_on: list[FollowedBlock | Gap] = []
        self.stopped: Stopped | None = None
        self.ended = trio.Event()
        self._moved = trio.Event()
        self.follower: Follower

    def advance(self, tip: FollowedTip) -> None:
        # Nothing is announced that is not stored.
        assert tip == self.log.tip()
        self.advanced.append(tip)
        self._moved.set()
        self._moved = trio.Event()

    async def reaches(self, height: int, seconds: float = 1e6) -> None:
        with trio.fail_after(seconds):
            while self.log.tip().height < height:
                assert not self.ended.is_set(), self.stopped
                await self._moved.wait()


@asynccontextmanager
async def following(
    *fakes: FakeNode,
    log: MemoryLog | None = None,
    node: NodeSettings | None = None,
    run_sync: RunSync = inline,
    **settings: Any,
) -> AsyncIterator[Followed]:
    followed = Followed()
    followed.log = log or followed.log
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        for number, fake in enumerate(fakes):
            wires.serving[f"n{number}"] = fake
        asked = node or NodeSettings()
        given = NodeSettings(
            open_tcp=wires.open_tcp,
            rate=asked.rate,
            body_limit=asked.body_limit,
            patience=asked.patience,
        )
        follower = followed.follower = Follower(
            [
                Node(f"http://n{number}", given, run_sync=inline)
                for number in range(len(fakes))
            ],
            followed.log,
            FollowSettings(**{"start": "earliest", **settings}),
            advance=followed.advance,
            hand_on=followed.handed_on.extend,
            run_sync=run_sync,
        )

        async def run() -> None:
            try:
                await follower.run()
            except Stopped as error:
                followed.stopped = error
            followed.ended.set()

        nursery.start_soon(run)  # noqa: ASYNC113  # it starts when it is waited for
        yield followed
        nursery.cancel_scope.cancel()


async def stops(followed: Followed, error: type[Stopped]) -> str:
    with trio.fail_after(1e6):
        await followed.ended.wait()
    assert type(followed.stopped) is error, followed.stopped
    return str(followed.stopped)
