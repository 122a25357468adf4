"""Tasks stop in the order in which the data goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_stream.config import Config, FollowConfig
from trio_stream.net.stoppable import Stoppable
from trio_stream.node.stopping import stop_follower, stop_node

NODE: tuple[str, ...] = (
    *("loop delay", "channel", "checkpoints", "snapshots", "reads", "abci"),
    *("stream", "api"),
)
FOLLOWER: tuple[str, ...] = (
    *("loop delay", "channel", "drop-in", "checkpoints", "reads", "stream", "api"),
    "follower",
)


class Tasks(dict[str, Stoppable]):
    """Tasks that end once they are asked to and are let go."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.held = {name: trio.Event() for name in names}
        self.ended: list[str] = []
        for name in names:
            self[name] = Stoppable(name, partial(self.serve, name))

    async def serve(
        self, name: str, *, stop: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        task_status.started()
        await stop.wait()
        await self.held[name].wait()
        self.ended.append(name)

    def asked(self) -> set[str]:
        return {name for name, task in self.items() if task.stop.is_set()}

    def release(self, *names: str) -> None:
        for name in names or self.held:
            self.held[name].set()


async def run(
    tasks: Tasks,
    stop: Callable[[], Awaitable[None]],
    check: Callable[[], Awaitable[None]],
) -> None:
    async with trio.open_nursery() as nursery:
        for task in tasks.values():
            await nursery.start(task.run)
        nursery.start_soon(stop)
        await wait_all_tasks_blocked()
        await check()


async def test_a_node_stops_the_way_the_data_goes(tmp_path: Path) -> None:
    tasks = Tasks(NODE)

    async def check() -> None:
        asked = {"loop delay", "snapshots", "stream", "api"}
        assert tasks.asked() == asked
        tasks["api"].idle.set()
        for name, more in (
            ("abci", {"abci"}),
            ("channel", {"channel"}),
            ("stream", set()),
            ("api", set()),
            ("snapshots", {"checkpoints"}),
        ):
            await wait_all_tasks_blocked()
            asked |= more - {"checkpoints"}
            assert tasks.asked() == asked
            tasks.release(name)
        tasks.release()

    await run(tasks, partial(stop_node, Config(home=tmp_path), tasks), check)
    assert sorted(tasks.ended) == sorted(NODE)


async def test_a_follower_stops_first_and_then_its_subscribers(tmp_path: Path) -> None:
    tasks = Tasks(FOLLOWER)

    async def check() -> None:
        asked = {"loop delay", "stream", "follower", "api"}
        assert tasks.asked() == asked
        tasks["api"].idle.set()
        await wait_all_tasks_blocked()
        assert tasks.asked() == asked
        tasks.release("follower")
        await wait_all_tasks_blocked()
        asked |= {"drop-in"}
        assert tasks.asked() == asked
        tasks.release("drop-in")
        await wait_all_tasks_blocked()
        assert tasks.asked() == asked | {"channel"}
        tasks.release("channel", "stream", "api")
        await wait_all_tasks_blocked()
        assert tasks.asked() == asked | {"channel", "checkpoints"}
        tasks.release()

    await run(tasks, partial(stop_follower, FollowConfig(home=tmp_path), tasks), check)
    assert sorted(tasks.ended) == sorted(FOLLOWER)


@pytest.mark.parametrize("names", [NODE, FOLLOWER])
async def test_what_does_not_stop_is_cancelled(
    names: tuple[str, ...],
    tmp_path: Path,
    autojump_clock: MockClock,
) -> None:
    tasks = Tasks(names)
    if names is NODE:
        stop = partial(stop_node, Config(home=tmp_path), tasks)
    else:
        stop = partial(stop_follower, FollowConfig(home=tmp_path), tasks)

    async def check() -> None:
        await trio.lowlevel.checkpoint()
        tasks.release("loop delay")

    await run(tasks, stop, check)
    assert tasks.ended == ["loop delay"]
