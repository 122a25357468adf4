"""Whether the daemon is alive, and whether it is ready: for Kubernetes, balancers and supervisors.

Alive is whoever answers: a daemon whose event loop stands still does not. Ready is one whose log
can be written to, and that has all else that its kind needs. The answers say what is wrong, and
nothing that not everybody may know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.log.disk import DiskUsage

RETRY_SECONDS: Final = 5
OK: Final = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Answers GET /health/live and /health/ready."""

    own: Callable[[], Mapping[str, str]]
    """What else this kind of daemon needs: `OK`, or what is wrong with it."""
    disk: Callable[[], Awaitable[DiskUsage | None]]
    free_bytes: int
    """What has to be left on the disk."""

    async def live(self, _: bytes) -> HttpAnswer:
        """Say so."""
        await trio.lowlevel.checkpoint()
        return HttpAnswer(200, answers.spaced({"live": True}))

    async def ready(self, _: bytes) -> HttpAnswer:
        """Whether the daemon should get work; 503 says why not."""
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
            **self.own(),
            "log": _log(usage),
            "disk": self._disk(usage),
        }

    def _disk(self, usage: DiskUsage | None) -> str:
        if usage is None or usage.free >= self.free_bytes:
            return OK
        return f"{usage.free} bytes are free, less than {self.free_bytes}"


def _log(usage: DiskUsage | None) -> str:
    if usage is None:
        return "its disk does not answer"
    return usage.trouble or OK
