"""Tasks that are asked to stop."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from trio_stream.net.stoppable import Stoppable


class Door:
    """Serves until it is asked to stop, and for some seconds more."""

    def __init__(self, lingers: float) -> None:
        self.lingers = lingers
        self.task = Stoppable("door", self.serve)
        self.is_cancelled = False

    async def serve(
        self, *, stop: trio.Event, task_status: trio.TaskStatus[str]
    ) -> None:
        task_status.started("here")
        await stop.wait()
        try:
            await trio.sleep(self.lingers)
            self.task.idle.set()
            await trio.sleep(self.lingers)
        except trio.Cancelled:
            self.is_cancelled = True
            raise


async def test_what_it_serves_reports_the_start(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    door = Door(lingers=1)
    assert await nursery.start(door.task.run) == "here"
    await door.task.finish(5)


async def test_a_task_that_stops_in_time_is_left_alone(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door(lingers=1)
    await nursery.start(door.task.run)
    await door.task.quiet(1.5)
    assert trio.current_time() == pytest.approx(1)
    await door.task.finish(1.5)
    assert trio.current_time() == pytest.approx(2)
    assert not door.is_cancelled
    assert not caplog.records


async def test_a_task_that_takes_too_long_is_cancelled(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door(lingers=100)
    await nursery.start(door.task.run)
    await door.task.quiet(5)
    assert not door.is_cancelled
    await door.task.finish(7)
    assert trio.current_time() == pytest.approx(12)
    assert door.is_cancelled
    assert door.task.done.is_set()
    assert caplog.messages == [
        "door still has requests after 5 s",
        "door did not stop within 7 s: cancelling it",
    ]


async def test_an_error_goes_up(autojump_clock: MockClock) -> None:
    async def serve(*, stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep(1)
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await Stoppable("door", serve).run()
