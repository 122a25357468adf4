"""What a follower's rooms say, in tests."""

from __future__ import annotations

import math
from typing import Any, Final

import trio

from trio_stream.abci.messages import Time
from trio_stream.cometbft.followed import Gap
from trio_stream.follower.statistics import (
    FollowerStatistics,
    NodeState,
    NodeStatistics,
)
from trio_stream.log.connections import ConnectionsStatistics
from trio_stream.log.followed.lookups import LogSummary
from trio_stream.log.followed.reader import FollowedReaderStatistics

SUMMARY: Final = LogSummary(
    chain_id="made",
    first=3,
    oldest=5,
    tip=9,
    block_time=Time(1_000, 500_000_000),
    gaps=1,
    missing=2,
    used_bytes=4096,
)
EMPTY: Final = LogSummary("", 0, 1, 0, None, 0, 0, 4096)
GAP: Final = Gap(7, 8, "pruned", "n: it is gone")
DIGEST: Final = bytes(range(32))
READS: Final = ConnectionsStatistics(3, 0.5, 2, 1)


def node(state: NodeState = NodeState.ANSWERING, **more: Any) -> NodeStatistics:
    said = NodeStatistics(
        name="n:26657",
        state=state,
        chain_id="made",
        tip=12,
        lowest=1,
        rate=5.0,
        resting=0.0,
        answers=40,
        troubles={"NoAnswer": 2},
        trouble="",
        silent=0.25,
    )
    return said._replace(**more)


FOLLOWER: Final = FollowerStatistics(
    (
        node(),
        node(NodeState.UNKNOWN, name="m", chain_id="", tip=0, lowest=None)._replace(
            answers=0, troubles={}, silent=math.inf
        ),
    ),
    10,
    "",
)


class Log:
    """A log with one block, one transaction and a gap."""

    def __init__(self, summary: LogSummary = SUMMARY) -> None:
        self.said = summary

    async def summary(self) -> LogSummary:
        await trio.lowlevel.checkpoint()
        return self.said

    async def block_text(self, height: int) -> bytes | Gap | None:
        await trio.lowlevel.checkpoint()
        if GAP.first <= height <= GAP.last:
            return GAP
        return b'{"height": 6}' if height == 6 else None

    async def transaction_text(self, digest: bytes) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return b'{"index": 0}' if digest == DIGEST else None

    def statistics(self) -> FollowedReaderStatistics:
        return FollowedReaderStatistics(
            channel=READS, announcing=READS, lookups=READS, replay=READS
        )
