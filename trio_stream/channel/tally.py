"""What has passed through the channel since the start: blocks, events, refusals, and their lines.

The newest blocks that the channel reads when it starts count too.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.net.seldom import Seldom
from trio_stream.stream.events import CommittedBlock

logger = logging.getLogger(__name__)

REFUSED_AT_ONCE: Final = 20
"""Refusals of one block that are logged one by one."""


class NewestBlock(NamedTuple):
    """The newest block that has reached the channel; height 0 before the first."""

    height: int
    time: Time
    """Its header's."""


class TallyStatistics(NamedTuple):
    """What `Tally.statistics` returns."""

    blocks: int
    events: int
    """What is streamed of a chain: on a node's own the transactions that it accepts."""
    refused: Mapping[str, int]
    """Refused transactions, by error."""
    transactions: int
    """All of them."""
    gaps: int = 0
    """Blocks that are missing."""


class Tally:
    """Counts blocks."""

    def __init__(self) -> None:
        self.newest = NewestBlock(0, Time(0, 0))
        self._blocks = self._events = 0
        self._refused: Counter[str] = Counter()
        self._refusals = Seldom(logger, at_most=60)

    def statistics(self) -> TallyStatistics:
        """The figures so far."""
        refused = dict(self._refused)
        every = self._events + sum(refused.values())
        return TallyStatistics(self._blocks, self._events, refused, every)

    def count(self, blocks: Sequence[CommittedBlock]) -> None:
        """Count blocks, of which there is at least one, and log what they refuse."""
        for block in blocks:
            self._blocks += 1
            self._events += len(block.events)
            if block.refused:
                self._refused.update(each.error for each in block.refused)
                self._report(block)
        self.newest = NewestBlock(blocks[-1].height, blocks[-1].time)

    def _report(self, block: CommittedBlock) -> None:
        for each in block.refused[:REFUSED_AT_ONCE]:
            self._refusals.log(
                logging.INFO,
                "transaction %d of block %d was refused: %s: %.200s",
                each.index,
                each.height,
                each.error,
                each.reason,
            )
        if (more := len(block.refused) - REFUSED_AT_ONCE) > 0:
            logger.info(
                "%d more transactions of block %d were refused", more, block.height
            )
