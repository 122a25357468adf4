"""How long the steps of the event loop are, in processor time of its own thread.

A step is what one task does between two of its checkpoints: nobody else runs meanwhile, and no
socket is looked at. Time for which the thread had no processor, or waited for the interpreter,
does not count, so a busy machine makes no step longer; and the garbage collector rests, whose
passes depend on what else the process holds.

What does count, though no step of ours takes it, is time in which a virtual machine stands still
without knowing it: its host has given the processor to others. A bare loop stands still as well, so
a step may take as much longer as the longest gap that such a loop sees. On a slow processor it may
take as much longer as other work does.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import thread_time

import trio

LONGEST_STEP = 0.020
"""Seconds that no step may take, whatever a peer sends or asks for; more on a slow processor."""
USUAL_WORK = 0.008
"""Seconds that `usual_work` takes there."""
TRIES = 5
_BARE_SECONDS = 5.0
"""How long at most a bare loop looks for a gap, once a step was long."""


class LoopSteps(trio.abc.Instrument):
    """The longest step so far, and whose it was."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.task = "nobody"
        self.count = 0
        self._began = thread_time()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = thread_time() - self._began
        self.count += 1
        if took > self.longest:
            self.longest, self.task = took, task.name

    def __repr__(self) -> str:
        return (
            f"<longest of {self.count} steps: {self.longest * 1e3:.1f} ms, {self.task}>"
        )


@contextmanager
def measured_steps() -> Iterator[LoopSteps]:
    """Measure the steps of all tasks inside of the block, from the rest of this one on."""
    steps = LoopSteps()
    was_enabled = gc.isenabled()
    gc.disable()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps
    finally:
        trio.lowlevel.remove_instrument(steps)
        if was_enabled:
            gc.enable()


async def assert_short_steps(
    do: Callable[[], Awaitable[object]], *, tries: int = TRIES
) -> None:
    """Fail if a step is long each time that this is done.

    Where others use the processor too, its caches are cold and large copies take longer: one of the
    tries is to do. What is remembered from the first time has only one.
    """
    tried = []
    for _ in range(tries):
        with measured_steps() as steps:
            await do()
        assert steps.count
        if is_short(steps.longest):
            return
        tried.append(steps)
    raise AssertionError(tried)


def is_short(step: float) -> bool:
    """Whether a step of so many seconds would be short if the machine ran, and were not slow."""
    if step <= LONGEST_STEP:
        return True
    longest = LONGEST_STEP * max(1.0, usual_work() / USUAL_WORK)
    return step <= longest or gaps_up_to(step - longest)


def usual_work() -> float:
    """Seconds of the thread for work of the kind that steps do."""
    document = [{"number": n, "text": "x" * 20, "list": [n, n]} for n in range(400)]
    took = []
    for _ in range(5):
        began = thread_time()
        for _ in range(10):
            assert json.loads(json.dumps(document)) == document
            assert sorted({str(n): n for n in range(2000)})
        took.append(thread_time() - began)
    return min(took)


def gaps_up_to(gap: float, *, within: float = _BARE_SECONDS) -> bool:
    """Whether the thread's clock jumps by this many seconds while it does nothing else."""
    last = thread_time()
    end = last + within
    while last < end:
        now = thread_time()
        if now - last >= gap:
            return True
        last = now
    return False
