"""Whether the node is alive, and whether it is ready: for Kubernetes, balancers and supervisors.

Alive is whoever answers: a node whose event loop stands still does not. Ready is a node that can be
written to and whose engine is connected, or was a moment ago. The answers say what is wrong, and
nothing about the node that not everybody may know.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from trio_stream.engine.places import PlacesStatistics
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.ledger.moving import Ended
from trio_stream.log.disk import DiskUsage

RETRY_SECONDS: Final = 5
OK: Final = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Answers GET /health/live and /health/ready."""

    door: Callable[[], PlacesStatistics]
    disk: Callable[[], Awaitable[DiskUsage | None]]
    ended: Callable[[], Ended | None]
    """Why the chain has ended, if it has."""
    engine_timeout: float
    """For how many seconds the engine may be away."""
    free_bytes: int
    """What has to be left on the disk."""

    async def live(self, _: bytes) -> HttpAnswer:
        """Say so."""
        await trio.lowlevel.checkpoint()
        return HttpAnswer(200, answers.spaced({"live": True}))

    async def ready(self, _: bytes) -> HttpAnswer:
        """Whether the node should get work; 503 says why not."""
        checks = await self.checks()
        is_ready = all(each == OK for each in checks.values())
        body = answers.spaced({"ready": is_ready, **checks})
        if is_ready:
            return HttpAnswer(200, body)
        return HttpAnswer(503, body, retry_after=RETRY_SECONDS)

    async def checks(self) -> dict[str, str]:
        """What was looked at, and what is wrong with it."""
        usage = await self.disk()
        return {
            "chain": self._chain(),
            "engine": self._engine(),
            "log": _log(usage),
            "disk": self._disk(usage),
        }

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

    def _disk(self, usage: DiskUsage | None) -> str:
        if usage is None or usage.free >= self.free_bytes:
            return OK
        return f"{usage.free} bytes are free, less than {self.free_bytes}"


def _log(usage: DiskUsage | None) -> str:
    if usage is None:
        return "its disk does not answer"
    return usage.trouble or OK
