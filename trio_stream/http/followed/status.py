"""The state of a follower in one answer: its chain, its log, the nodes, its subscribers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from trio_stream import __version__
from trio_stream.follower.statistics import FollowerStatistics, NodeStatistics
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.followed.documents import KIND
from trio_stream.log.followed.lookups import LogSummary
from trio_stream.stream.admission import AdmissionStatistics
from trio_stream.stream.messages import time_text


class Summarised(Protocol):
    async def summary(self) -> LogSummary: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerStatus:
    """Answers GET /api/v1/status, from those who know."""

    log: Summarised
    height: Callable[[], int]
    """The newest block that has reached the subscribers."""
    follower: Callable[[], FollowerStatistics]
    subscribers: Callable[[], AdmissionStatistics]
    clock: Callable[[], float] = time.time

    async def answer(self, _: bytes) -> HttpAnswer:
        """The state of the follower."""
        log = await self.log.summary()
        follower = self.follower()
        state = {
            "version": __version__,
            "kind": KIND,
            "chain_id": log.chain_id or None,
            "height": log.tip if log.tip >= log.oldest else None,
            "block_time": None if log.block_time is None else time_text(log.block_time),
            "behind": {
                "blocks": max(0, follower.tip - log.tip),
                "seconds": seconds_behind(log, follower.tip, self.clock()),
            },
            "oldest": log.oldest if log.chain_id else None,
            "gaps": log.gaps,
            "missing_blocks": log.missing,
            "log_bytes": log.used_bytes,
            "seeking": {
                "height": follower.seeking or None,
                "trouble": follower.trouble,
            },
            "nodes": [_node(each) for each in follower.nodes],
            "subscribers": self.subscribers().present,
        }
        return HttpAnswer(200, answers.spaced(state))

    def summary(self) -> str:
        """The same in a few words, without what has to be read."""
        follower = self.follower()
        height, tip = self.height(), follower.tip
        answering = sum(1 for node in follower.nodes if node.silent < math.inf)
        count = sum(self.subscribers().present.values())
        return (
            f"block {height}{f' of {tip}' if tip > height else ''}; {answering} of"
            f" {len(follower.nodes)} nodes have answered; {count}"
            f" {'subscriber' if count == 1 else 'subscribers'}"
        )


def seconds_behind(log: LogSummary, tip: int, now: float) -> float | None:
    """How old the newest block is, if nodes have newer ones; None if that is not known."""
    if tip <= log.tip:
        return 0.0
    if log.block_time is None:
        return None
    seconds, nanos = log.block_time
    return round(max(0.0, now - seconds - nanos / 1e9), 3)


def _node(node: NodeStatistics) -> dict[str, object]:
    return {
        "node": node.name,
        "state": node.state.value,
        "chain_id": node.chain_id or None,
        "height": node.tip or None,
        "oldest": node.lowest,
        "requests_per_second": round(node.rate, 3),
        "resting_seconds": round(node.resting, 3),
        "silent_seconds": None if node.silent == math.inf else round(node.silent, 3),
        "answers": node.answers,
        "troubles": node.troubles,
        "trouble": node.trouble,
    }
