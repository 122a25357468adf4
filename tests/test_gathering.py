"""Questions that share a turn: which are asked together, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import outcome
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_stream.gathering import Gathering


class Oracle:
    """Answers each question with itself; turns end when they are told to."""

    def __init__(self, *, turns: int = 1, limit: int = 3) -> None:
        self.batches: list[list[str]] = []
        self.go = trio.Semaphore(0)
        self.at_end: Callable[[], object] = bool
        self.errors: list[Exception] = []
        self.gathering = Gathering(self.ask_all, turns=turns, limit=limit)
        self.answered: dict[str, object] = {}

    async def ask_all(self, items: Sequence[str]) -> list[outcome.Outcome[str]]:
        self.batches.append(list(items))
        await self.go.acquire()
        self.at_end()
        if self.errors:
            raise self.errors.pop()
        return [
            outcome.Error(ValueError(item)) if item == "bad" else outcome.Value(item)
            for item in items
        ]

    async def ask(self, item: str) -> None:
        try:
            self.answered[item] = await self.gathering.ask(item)
        except (ValueError, LookupError) as error:
            self.answered[item] = error

    async def ask_in_order(self, nursery: trio.Nursery, items: str) -> None:
        for item in items.split():
            nursery.start_soon(self.ask, item)
            await wait_all_tasks_blocked()

    async def turn(self) -> None:
        self.go.release()
        await wait_all_tasks_blocked()


async def test_an_asker_that_finds_a_free_turn_asks_alone() -> None:
    oracle = Oracle()
    for item in ("a", "b"):
        oracle.go.release()
        assert await oracle.gathering.ask(item) == item
    assert oracle.batches == [["a"], ["b"]]


@pytest.mark.parametrize(("turns", "batches"), [(1, [3]), (2, [3, 2]), (3, [3, 2])])
async def test_askers_of_the_same_step_are_asked_for_together(
    turns: int, batches: list[int]
) -> None:
    oracle = Oracle(turns=turns)
    async with trio.open_nursery() as nursery:
        for item in "abcde":
            nursery.start_soon(oracle.ask, item)
        await wait_all_tasks_blocked()
        assert [len(batch) for batch in oracle.batches] == batches
        for _ in range(3):
            await oracle.turn()
        # All turns are free again.
        await oracle.ask_in_order(nursery, " ".join("fghi"[:turns]))
        assert [len(batch) for batch in oracle.batches] == [3, 2] + [1] * turns
        for _ in range(turns):
            await oracle.turn()
    assert oracle.answered == {item: item for item in "abcde" + "fghi"[:turns]}


async def test_later_askers_share_the_next_turn_up_to_the_limit() -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a b c d e")
        assert oracle.batches == [["a"]]
        await oracle.turn()
        assert oracle.batches[1:] == [["b", "c", "d"]] and list(oracle.answered) == [
            "a"
        ]
        await oracle.turn()
        assert oracle.batches[2:] == [["e"]]
        await oracle.turn()
    assert oracle.answered == {item: item for item in "abcde"}


async def test_several_turns_may_be_in_flight() -> None:
    oracle = Oracle(turns=2)
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a b c d")
        assert oracle.batches == [["a"], ["b"]]
        await oracle.turn()
        assert oracle.batches[2:] == [["c", "d"]]
        await oracle.turn()
        await oracle.turn()
        await oracle.ask_in_order(nursery, "e f g")
        assert oracle.batches[3:] == [["e"], ["f"]]
        for _ in range(3):
            await oracle.turn()
    assert sorted(oracle.answered) == list("abcdefg")


async def test_each_asker_gets_its_own_error() -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a bad c")
        await oracle.turn()
        await oracle.turn()
    assert oracle.answered["c"] == "c"
    assert isinstance(oracle.answered["bad"], ValueError)


async def test_a_turn_that_fails_fails_for_all_in_it_and_no_others() -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a b c d e")
        await oracle.turn()
        error = LookupError()
        oracle.errors.append(error)
        await oracle.turn()
        assert {item: oracle.answered[item] for item in "bcd"} == {
            item: error for item in "bcd"
        }
        await oracle.turn()
    assert oracle.answered["e"] == "e"


@pytest.mark.parametrize("who", ["b", "c"])
async def test_an_asker_that_leaves_the_line_is_not_asked_for(who: str) -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        scopes = {item: trio.CancelScope() for item in "abc"}

        async def ask(item: str) -> None:
            with scopes[item]:
                await oracle.ask(item)

        for item in "abc":
            nursery.start_soon(ask, item)
            await wait_all_tasks_blocked()
        scopes[who].cancel()
        await wait_all_tasks_blocked()
        await oracle.turn()
        await oracle.turn()
    assert oracle.batches == [["a"], [{"b": "c", "c": "b"}[who]]]


async def test_an_asker_that_leaves_its_turn_does_not_affect_the_others() -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a b")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as follower:
                follower.start_soon(oracle.ask, "c")
                await wait_all_tasks_blocked()
                await oracle.turn()
                assert oracle.batches[-1] == ["b", "c"]
                scope.cancel()
        await oracle.turn()
    assert oracle.answered == {"a": "a", "b": "b"}


async def test_if_the_leader_is_cancelled_the_others_are_asked_again() -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as leader:
                leader.start_soon(oracle.ask, "b")
                await wait_all_tasks_blocked()
                await oracle.ask_in_order(nursery, "c d")
                await oracle.turn()
                assert oracle.batches[-1] == ["b", "c", "d"]
                scope.cancel()
        await wait_all_tasks_blocked()
        assert oracle.batches[-1] == ["c", "d"]
        await oracle.turn()
    assert oracle.answered == {item: item for item in "acd"}


async def test_a_leader_that_is_cancelled_before_it_runs_passes_the_turn_on() -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a")
        with trio.CancelScope() as scope:
            # Without a pause between it and the end of the turn, which calls "b".
            oracle.at_end = scope.cancel
            async with trio.open_nursery() as leader:
                leader.start_soon(oracle.ask, "b")
                await wait_all_tasks_blocked()
                await oracle.ask_in_order(nursery, "c")
                oracle.go.release()
        await wait_all_tasks_blocked()
        assert oracle.batches == [["a"], ["c"]]
        await oracle.turn()
    assert oracle.answered == {"a": "a", "c": "c"}


async def test_two_turns_that_end_in_the_same_step_are_two_turns() -> None:
    oracle = Oracle(turns=2, limit=1)
    async with trio.open_nursery() as nursery:
        await oracle.ask_in_order(nursery, "a b c d")
        oracle.go.release()
        oracle.go.release()
        await wait_all_tasks_blocked()
        assert oracle.batches[2:] == [["c"], ["d"]]
        await oracle.turn()
        await oracle.turn()
    assert sorted(oracle.answered) == list("abcd")


@pytest.mark.parametrize("order", ["bc", "cb"])
async def test_a_leader_and_a_follower_may_both_be_cancelled(order: str) -> None:
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        scopes = {item: trio.CancelScope() for item in "bc"}

        async def ask(item: str) -> None:
            with scopes[item]:
                await oracle.ask(item)

        await oracle.ask_in_order(nursery, "a")
        for item in "bc":
            nursery.start_soon(ask, item)
            await wait_all_tasks_blocked()
        await oracle.turn()
        assert oracle.batches[-1] == ["b", "c"]
        for item in order:
            scopes[item].cancel()
            await wait_all_tasks_blocked()
        oracle.go = trio.Semaphore(1)
        assert await oracle.gathering.ask("later") == "later"
    assert oracle.answered == {"a": "a"}


async def test_how_many_turns_are_free_and_who_waits_is_known() -> None:
    oracle = Oracle(turns=1, limit=1)
    assert oracle.gathering.statistics() == (1, 0)
    async with trio.open_nursery() as nursery:
        for item in ("a", "b"):
            nursery.start_soon(oracle.ask, item)
        await wait_all_tasks_blocked()
        assert oracle.gathering.statistics() == (0, 1)
        for _ in range(2):
            oracle.go.release()
    assert oracle.gathering.statistics() == (1, 0)
