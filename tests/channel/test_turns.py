from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_stream.channel.turns import HELD_SECONDS, QUIET_SECONDS, Turns


async def take(turns: Turns, name: str, into: list[str]) -> None:
    await turns.turn()
    into.append(name)


async def test_one_turn_is_given_while_others_run() -> None:
    turns, steps = Turns(), list[str]()

    class EventLoop(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            steps.append("|")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.give)
        await wait_all_tasks_blocked()
        for name in "abc":
            nursery.start_soon(take, turns, name, steps)
        trio.lowlevel.add_instrument(EventLoop())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    together = "".join(steps).split("|")
    assert all(len(step) <= 1 for step in together), steps
    assert sorted("".join(together)) == ["a", "b", "c"]


async def test_turns_come_in_the_order_in_which_they_were_wanted() -> None:
    turns, steps = Turns(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.give)
        await wait_all_tasks_blocked()
        await turns.turn()
        with turns.held():
            for name in "abc":
                nursery.start_soon(take, turns, name, steps)
                await trio.testing.wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert steps == ["a", "b", "c"]


async def test_held_turns_are_rare(autojump_clock: MockClock) -> None:
    turns, times = Turns(), list[float]()

    async def worker() -> None:
        while True:
            await turns.turn()
            times.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.give)
        await wait_all_tasks_blocked()
        with turns.held():
            nursery.start_soon(worker)
            began = trio.current_time()
            await trio.sleep(10.5 * HELD_SECONDS)
        nursery.cancel_scope.cancel()

    assert len(times) == 11
    assert times[-1] - began == pytest.approx(10 * HELD_SECONDS)


async def test_a_cancelled_task_leaves_the_queue() -> None:
    turns, steps = Turns(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.give)
        await wait_all_tasks_blocked()
        with turns.held():
            await turns.turn()
            with trio.move_on_after(0):
                await take(turns, "gone", steps)
        await take(turns, "here", steps)
        nursery.cancel_scope.cancel()

    assert steps == ["here"]


async def test_while_turns_are_not_given_everybody_gets_one() -> None:
    turns, steps = Turns(), list[str]()
    for name in "ab":
        await take(turns, name, steps)
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as giver:
            giver.start_soon(turns.give)
            await wait_all_tasks_blocked()
            with turns.held():
                for name in "cde":
                    nursery.start_soon(partial(take, turns, name, steps))
                await wait_all_tasks_blocked()
                assert steps == ["a", "b", steps[2]]
                giver.cancel_scope.cancel()

    assert sorted(steps) == ["a", "b", "c", "d", "e"]


async def test_waiting_for_quiet_does_not_last_long(
    autojump_clock: MockClock,
) -> None:
    turns = Turns()

    async def waited() -> float:
        began = trio.current_time()
        await turns.quiet()
        return trio.current_time() - began

    assert await waited() == 0
    with turns.held():
        assert await waited() == pytest.approx(QUIET_SECONDS)

    async def hold() -> None:
        with turns.held(), turns.held():
            await trio.sleep(QUIET_SECONDS / 5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold)
        await wait_all_tasks_blocked()
        assert await waited() == pytest.approx(QUIET_SECONDS / 5)


async def test_statistics_say_who_waits_and_whether_turns_are_held() -> None:
    turns = Turns()
    assert turns.statistics() == (0, 0, True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.give)
        await wait_all_tasks_blocked()
        with turns.held():
            for name in "abc":
                nursery.start_soon(take, turns, name, [])
            await wait_all_tasks_blocked()
            assert turns.statistics() == (2, 1, False)
        nursery.cancel_scope.cancel()
    assert turns.statistics() == (0, 0, True)
