"""Threads that judge expensive posts, and step back for whatever else has work to do.

A post may take a seventh of a second of a processor, and the next one may come as soon as it is
judged. An ordinary thread would then take a whole processor, and every other turn at the
interpreter, from what commits and answers. So these threads rest after each piece of work for as
long as it took, and where threads have priorities they run at a low one.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from trio_stream.transactions.fulfillments import PAUSE

T = TypeVar("T")

DEAR: Final = 5_000
"""Estimated microseconds of signatures compared with which a thread hop costs nothing."""
PIECE: Final = 0.0005
"""Seconds of work before a rest, at least: far less than a Commit takes."""
_NICE: Final = 10


def step_back() -> None:
    """Give this thread a low priority, for good."""
    # Elsewhere only processes have priorities, or the number means another process.
    if sys.platform == "linux":
        me = os.PRIO_PROCESS, threading.get_native_id()
        os.setpriority(*me, max(_NICE, os.getpriority(*me)))


class Judges:
    """At most `count` threads, used for nothing else."""

    def __init__(
        self,
        count: int,
        *,
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._threads = ThreadPoolExecutor(count, "judge", step_back)
        self._now = now
        self._sleep = sleep

    def run(self, judge: Callable[[], T], *, cost: int) -> T:
        """What `judge` returns, which takes about `cost` microseconds. Callable from any thread."""
        if cost <= DEAR:
            return judge()
        return self._threads.submit(self._at_ease, judge).result()

    def close(self) -> None:
        """End the threads; none may be judging."""
        self._threads.shutdown()

    def _at_ease(self, judge: Callable[[], T]) -> T:
        began = self._now()

        def pause() -> None:
            nonlocal began
            worked = self._now() - began
            if worked >= PIECE:
                self._sleep(worked)
                began = self._now()

        token = PAUSE.set(pause)
        try:
            return judge()
        finally:
            PAUSE.reset(token)
