"""The state of the node in one answer: its chain, its engine, its subscribers.

For pages, programs and people; `http.metrics` has the figures for monitoring. What the engine says
of itself is asked of it when somebody asks here, and is missing if it does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from trio_stream import __version__
from trio_stream.abci.messages import Time
from trio_stream.channel.tally import NewestBlock
from trio_stream.engine.places import PlacesStatistics
from trio_stream.engine.sync_status import EngineStatus
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.ledger.moving import Ended
from trio_stream.stream.admission import AdmissionStatistics


class Chained(Protocol):
    @property
    def chain_id(self) -> str:
        """The chain's name; empty if there is none."""

    @property
    def ended(self) -> Ended | None:
        """Why no block follows, if that is so."""


class Asked(Protocol):
    async def newest(self) -> EngineStatus | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Answers GET /api/v1/status, from those who know."""

    chain: Chained
    newest: Callable[[], NewestBlock]
    door: Callable[[], PlacesStatistics]
    engine: Asked
    subscribers: Callable[[], AdmissionStatistics]

    async def answer(self, _: bytes) -> HttpAnswer:
        """The state of the node; takes no longer than a second."""
        says = await self.engine.newest()
        block = self.newest()
        state = {
            "version": __version__,
            "chain_id": self.chain.chain_id or None,
            "height": block.height,
            "block_time": _written(block.time) if block.height else None,
            "engine": _engine(self.door(), says),
            "subscribers": self.subscribers().present,
            "ended": _end(self.chain.ended),
        }
        return HttpAnswer(200, answers.spaced(state))

    def summary(self) -> str:
        """The same in a few words, without what has to be asked for."""
        engine = self.door().engine
        count = sum(self.subscribers().present.values())
        return (
            f"block {self.newest().height}; "
            f"{f'an engine ({engine.dialect})' if engine else 'no engine'} is connected; "
            f"{count} {'subscriber' if count == 1 else 'subscribers'}"
            f"{'; the chain has ended' if self.chain.ended else ''}"
        )


def _engine(door: PlacesStatistics, says: EngineStatus | None) -> dict[str, object]:
    seen = door.engine
    version = says.version if says else seen.version if seen else ""
    return {
        "connected": seen is not None,
        "height": says.height if says else None,
        "catching_up": says.catching_up if says else None,
        "dialect": seen.dialect if seen else None,
        "version": version or None,
    }


def _end(ended: Ended | None) -> dict[str, object] | None:
    if ended is None:
        return None
    return {
        "height": ended.height,
        "migrated_at": ended.migrated_at or None,
        "next_chain_id": ended.next_chain_id,
        "message": str(ended),
    }


def _written(time: Time) -> str:
    """A time of the chain as RFC 3339 has it, to the millisecond."""
    try:
        moment = datetime.fromtimestamp(time.seconds, UTC)
    except (ValueError, OverflowError, OSError):
        # An engine may give any 64-bit number, as Go's zero time is.
        moment = datetime.min
    whole = moment.replace(tzinfo=None).isoformat()
    return f"{whole}.{time.nanos // 1_000_000:03}Z"
