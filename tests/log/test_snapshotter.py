"""When snapshots are made, and what becomes of one that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.log.readers import inline
from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.log.errors import LogOutOfSpace
from trio_stream.log.snapshotter import REST, Snapshotter


class FakeSnapshots:
    """Makes snapshots by noting their heights; `fail` is raised instead."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.made: list[int] = []
        self.fail: Exception | None = None
        self.while_made: Callable[[], object] = lambda: None

    def make(self, height: int, stopping: Callable[[], bool]) -> Snapshot | None:
        self.begun.append(height)
        if self.fail is not None:
            raise self.fail
        self.while_made()
        if stopping():
            return None
        self.made.append(height)
        return Snapshot(height, 1, 3, b"", b"")


@pytest.fixture
def snapshots() -> FakeSnapshots:
    return FakeSnapshots()


@pytest.fixture
async def snapshotter(snapshots, nursery, autojump_clock):
    snapshotter = Snapshotter(snapshots, interval=10, run_sync=inline)
    await nursery.start(partial(snapshotter.run, stop=trio.Event()))
    return snapshotter


async def test_each_multiple_of_the_interval_is_made(snapshots, snapshotter):
    for height in range(1, 31):
        snapshotter.committed(height)
        await trio.sleep(1)
    assert snapshots.begun == snapshots.made == [10, 20, 30]
    assert snapshotter.statistics()[:3] == (3, 0, 30)


async def test_none_is_made_if_they_are_off(snapshots, nursery):
    snapshotter = Snapshotter(snapshots, interval=0, run_sync=inline)
    await nursery.start(partial(snapshotter.run, stop=trio.Event()))
    snapshotter.committed(1)
    await trio.sleep(1)
    assert snapshots.begun == []


async def test_of_those_that_become_due_meanwhile_only_the_newest_is_made(
    snapshots, nursery, autojump_clock
):
    async def slow(sync_fn: Callable[[], object], **options: object) -> object:
        await trio.sleep(5)
        return sync_fn()

    snapshotter = Snapshotter(snapshots, interval=10, run_sync=slow)
    await nursery.start(partial(snapshotter.run, stop=trio.Event()))
    snapshotter.committed(10)
    await trio.sleep(1)
    for height in (20, 30, 40):
        snapshotter.committed(height)
    await trio.sleep(5 + REST * 5)
    assert snapshots.made == [10]
    await trio.sleep(6)
    assert snapshots.made == [10, 40]
    assert snapshotter.statistics().seconds == 5


@pytest.mark.parametrize(
    "error",
    [OSError("no space left"), LogOutOfSpace("write", Path("x"), "too little room")],
    ids=lambda each: type(each).__name__,
)
async def test_one_that_fails_is_reported_and_the_next_is_made(
    snapshots, snapshotter, caplog, error
):
    snapshots.fail = error
    snapshotter.committed(10)
    await trio.sleep(1)
    snapshots.fail = None
    snapshotter.committed(20)
    await trio.sleep(1)
    assert "no snapshot of block 10 was made" in caplog.text
    assert str(error) in caplog.text
    assert snapshots.made == [20]
    assert snapshotter.statistics()[:3] == (1, 1, 20)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_is_half_made_is_dropped_when_the_daemon_stops(
    snapshots, cancelled
):
    entered, release = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def work() -> None:
        token.run_sync_soon(entered.set)
        assert release.wait(60)

    snapshots.while_made = work
    snapshotter = Snapshotter(snapshots, interval=1)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(snapshotter.run, stop=stop))
        snapshotter.committed(1)
        await entered.wait()
        if cancelled:
            nursery.cancel_scope.cancel()
        else:
            stop.set()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
        release.set()
    assert (snapshots.begun, snapshots.made) == ([1], [])
    assert snapshotter.statistics().made == 0
