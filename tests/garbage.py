"""What is left for Python's garbage collector: objects that hold each other in a ring."""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable, Mapping

import pytest

without_an_untraced_ring = pytest.mark.skipif(
    sys.version_info >= (3, 12),
    reason="from 3.12 on a cycle is left that was not traced yet; the collector takes it",
)
"""For tests of clients that break off in the middle of something."""

Ask = Callable[[], Awaitable[object]]


async def garbage_of(asks: Mapping[str, Ask]) -> dict[str, list[str]]:
    """What each of these leaves, by name, that only a collection would free.

    Each is asked once before, since much is made once and kept.
    """
    for ask in asks.values():
        await ask()
    gc.collect()
    # So that a collection looks at nothing but what is new.
    gc.freeze()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    found = {}
    try:
        for name, ask in asks.items():
            await ask()
            gc.collect()
            found[name] = [
                f"{type(each).__qualname__}: {each!r:.200}" for each in gc.garbage
            ]
            gc.garbage.clear()
        return {name: left for name, left in found.items() if left}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
