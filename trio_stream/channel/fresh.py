"""Blocks that were committed a moment ago, and need not be read back from the log.

To read a block of a followed chain back takes longer than to commit it: it is expanded and parsed
once more. So who commits hands it on. What the channel does not take soon is left to the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from trio_stream.cometbft.followed import FollowedBlock, Gap

MOST: Final = 20_000
"""Transactions and events that are kept, give or take a block: some 30 MB."""
AT_ONCE: Final = 5_000
"""Those that are taken in one go, give or take a block."""


class Fresh:
    """The newest blocks and gaps, which follow each other."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._blocks: deque[tuple[FollowedBlock | Gap, int]] = deque()

    def __len__(self) -> int:
        return len(self._blocks)

    def add(self, blocks: Iterable[FollowedBlock | Gap]) -> None:
        """Keep what was just committed."""
        for block in blocks:
            size = _size_of(block)
            self._blocks.append((block, size))
            self._size += size
        while self._size > self._most:
            self._drop()

    def take_after(self, height: int) -> list[FollowedBlock | Gap]:
        """What follows a height, and is kept no longer; nothing if that is not here."""
        while self._blocks and _first(self._blocks[0][0]) <= height:
            self._drop()
        found: list[FollowedBlock | Gap] = []
        left = AT_ONCE
        if self._blocks and _first(self._blocks[0][0]) == height + 1:
            while self._blocks and left > 0:
                block, size = self._drop()
                found.append(block)
                left -= size
        return found

    def _drop(self) -> tuple[FollowedBlock | Gap, int]:
        block, size = self._blocks.popleft()
        self._size -= size
        return block, size


def _first(block: FollowedBlock | Gap) -> int:
    return block.first if isinstance(block, Gap) else block.height


def _size_of(block: FollowedBlock | Gap) -> int:
    if isinstance(block, Gap):
        return 1
    results = block.results
    events = sum(len(tx.events) for tx in results.txs)
    return 1 + len(results.txs) + events + sum(1 for _ in results.block_events())
