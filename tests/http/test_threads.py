"""The threads that do the long work of the HTTP server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
import trio

from trio_stream.http.threads import IN_PLACE_BYTES, TRIM_BYTES, Threads
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
