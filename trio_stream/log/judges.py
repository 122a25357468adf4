"""Who judges posts that are dear: threads that step back for whoever else has work to do.

A post may take a seventh of a second of a processor, and as soon as it is judged there may be a
next one. By a thread like any other that would take a whole processor, and every other turn at the
interpreter, from those who commit and answer. So these rest after each piece of work for as long as
it took, and where threads have priorities they take what nobody else wants.
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
"""Microseconds of signatures, by the estimate, for which a way to another thread is nothing."""
PIECE: Final = 0.0005
"""Seconds of work, at least, before a rest: far less than a Commit takes."""
_NICE: Final = 10


class Judges:
    """At most `count` threads, which are nobody else's before or after."""

    def __init__(
        self,
        count: int,
        *,
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._threads = ThreadPoolExecutor(count, "judge", self._begin)
        self._now = now
        self._sleep = sleep

    def run(self, judge: Callable[[], T], *, cost: int) -> T:
        """What `judge` returns, which takes about `cost` microseconds. For any thread."""
        if cost <= DEAR:
            return judge()
        return self._threads.submit(self._at_ease, judge).result()

    def close(self) -> None:
        """Let the threads end; nobody may be judging."""
        self._threads.shutdown()

    def _begin(self) -> None:
        # Elsewhere a process has one priority, or the number means another process.
        if sys.platform == "linux":
            me = os.PRIO_PROCESS, threading.get_native_id()
            os.setpriority(*me, max(_NICE, os.getpriority(*me)))

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
