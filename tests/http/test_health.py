"""Whether a daemon is ready, and what it says if it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from trio_stream.http.health import OK, Health
from trio_stream.log.disk import DiskUsage

FINE = DiskUsage(1, 1, 1_000, "")


def health(own: str = OK, usage: DiskUsage | None = FINE) -> Health:
    async def disk() -> DiskUsage | None:
        await trio.lowlevel.checkpoint()
        return usage

    return Health(own=lambda: {"engine": own}, disk=disk, free_bytes=1_000)


async def ready(own: str = OK, usage: DiskUsage | None = FINE) -> tuple[int, Any]:
    answer = await health(own, usage).ready(b"")
    assert (answer.retry_after is None) == (answer.status == 200)
    return answer.status, json.loads(answer.body)


async def test_whoever_answers_is_alive() -> None:
    answer = await health("it is away", None).live(b"")
    assert (answer.status, json.loads(answer.body)) == (200, {"live": True})


async def test_it_is_ready_if_all_is_well() -> None:
    said = {"ready": True, "engine": "ok", "log": "ok", "disk": "ok"}
    assert await ready() == (200, said)


@pytest.mark.parametrize(
    ("own", "usage", "what", "why"),
    [
        ("it is away", FINE, "engine", "it is away"),
        (OK, FINE._replace(trouble="it is gone"), "log", "it is gone"),
        (OK, None, "log", "its disk does not answer"),
        (OK, FINE._replace(free=999), "disk", "999 bytes are free, less than 1000"),
    ],
)
async def test_one_that_is_not_ready_says_why(
    own: str, usage: DiskUsage | None, what: str, why: str
) -> None:
    fine = {"engine": "ok", "log": "ok", "disk": "ok"}
    said = {"ready": False, **fine, what: why}
    assert await ready(own, usage) == (503, said)
