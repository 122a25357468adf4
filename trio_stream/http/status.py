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
from trio_stream.stream.admission import AdmissionStatistics
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks


class Marked(Protocol):
    async def landmarks(self, place: Position | str | None) -> Landmarks: ...


class Asked(Protocol):
    async def newest(self) -> EngineStatus | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Answers GET /api/v1/status, from those who know."""

    log: Marked
    newest: Callable[[], NewestBlock]
    door: Callable[[], PlacesStatistics]
    engine: Asked
    subscribers: Callable[[], AdmissionStatistics]

    async def answer(self, _: bytes) -> HttpAnswer:
        """The state of the node; takes no longer than a second."""
        says = await self.engine.newest()
        chain = (await self.log.landmarks(None)).chain
        block = self.newest()
        state = {
            "version": __version__,
            "chain_id": chain or None,
            "height": block.height,
            "block_time": _written(block.time) if block.height else None,
            "engine": _engine(self.door(), says),
            "subscribers": self.subscribers().present,
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


def _written(time: Time) -> str:
    """A time of the chain as RFC 3339 has it, to the millisecond."""
    try:
        moment = datetime.fromtimestamp(time.seconds, UTC)
    except (ValueError, OverflowError, OSError):
        # An engine may give any 64-bit number, as Go's zero time is.
        moment = datetime.min
    whole = moment.replace(tzinfo=None).isoformat()
    return f"{whole}.{time.nanos // 1_000_000:03}Z"
