"""The threads that do the long work of the HTTP server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
import trio

from trio_stream.http.threads import IN_PLACE_BYTES, PEER, TRIM_BYTES, OneEach, Threads
from trio_stream.net import heap

T = TypeVar("T")


async def inline(work: Callable[[], T], *, limiter: trio.CapacityLimiter) -> T:
    async with limiter:
        return work()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The work done, in order: each piece adds its name, and so does a trim."""
    steps: list[str] = []
    monkeypatch.setattr(heap, "trim", lambda: steps.append("trim"))
    return steps


async def test_holes_that_large_work_leaves_in_the_heap_are_returned(
    steps: list[str],
) -> None:
    threads = Threads(run_sync=inline)
    for n in range(4):
        await threads.run(partial(steps.append, str(n)), size=TRIM_BYTES // 2)
    assert steps == ["0", "1", "trim", "2", "3", "trim"]


async def test_it_is_given_back_after_work_that_fails(steps: list[str]) -> None:
    def fail() -> None:
        steps.append("fail")
        raise ValueError

    with pytest.raises(ValueError):
        await Threads(run_sync=inline).run(fail, size=TRIM_BYTES)
    assert steps == ["fail", "trim"]


async def test_small_work_leaves_nothing(steps: list[str]) -> None:
    threads = Threads(run_sync=inline)
    for _ in range(TRIM_BYTES // IN_PLACE_BYTES + 1):
        assert await threads.run(lambda: 5, size=IN_PLACE_BYTES) == 5
    assert steps == []


async def test_a_peer_has_one_request_at_a_time_and_others_get_in_between() -> None:
    one_each, done = OneEach(), list[str]()

    async def ask(peer: str | None, name: str, wait: trio.Event) -> None:
        PEER.set(peer)
        async with one_each.turn():
            await wait.wait()
            done.append(name)

    now, later = trio.Event(), trio.Event()
    now.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "a", "first", later)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, "a", "second", now)
        nursery.start_soon(ask, "b", "another peer", now)
        nursery.start_soon(ask, None, "no peer", now)
        nursery.start_soon(ask, None, "no peer", now)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(done) == ["another peer", "no peer", "no peer"]
        assert one_each.peers == 1
        later.set()
    assert done[3:] == ["first", "second"]
    assert one_each.peers == 0
