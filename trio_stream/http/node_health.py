"""What a node needs to be ready, besides its log: a chain that goes on, and its engine.

An engine that was connected a moment ago is enough, since it may be restarting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from trio_stream.engine.places import PlacesStatistics
from trio_stream.http.health import OK
from trio_stream.ledger.moving import Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHealth:
    """Looks at the chain and the engine."""

    door: Callable[[], PlacesStatistics]
    ended: Callable[[], Ended | None]
    """Why the chain has ended, if it has."""
    engine_timeout: float
    """For how many seconds the engine may be away."""

    def checks(self) -> dict[str, str]:
        """What was looked at, and what is wrong with it."""
        return {"chain": self._chain(), "engine": self._engine()}

    def _chain(self) -> str:
        ended = self.ended()
        return OK if ended is None else str(ended)

    def _engine(self) -> str:
        away = self.door().engine_away
        if away < self.engine_timeout or not away:
            return OK
        if away == math.inf:
            return "no engine has connected yet"
        return f"no engine has been connected for {away:.0f} s"
