"""Says how far the log has come while the engine replays blocks faster than any chain makes them.

An engine that starts delivers all blocks that the log lacks, before its RPC answers and anything
else happens. That takes hours for a long chain, and looks like a start that hangs.
"""

from __future__ import annotations

import logging
from typing import Final

import trio

logger = logging.getLogger(__name__)

EVERY: Final = 10.0
"""Seconds between two lines."""
BLOCKS_PER_SECOND: Final = 10
"""Faster than validators agree on blocks, and slower than any machine replays them."""


class CatchingUp:
    """Notes each commit, which costs next to nothing."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._since = trio.current_time()
        self._is_fast = False

    def committed(self, height: int) -> None:
        """Note that the log has come to this height."""
        seconds = trio.current_time() - self._since
        if seconds < EVERY:
            return
        rate = (height - self._height) / seconds
        if rate >= BLOCKS_PER_SECOND:
            logger.info(
                "catching up: at height %d, %d blocks per second", height, int(rate)
            )
        elif self._is_fast:
            logger.info("caught up at height %d", height)
        self._is_fast = rate >= BLOCKS_PER_SECOND
        self._height = height
        self._since += seconds
