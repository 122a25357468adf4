"""Whether a node is ready, and what it says if it is not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import trio

from trio_stream.engine.places import PlacesStatistics
from trio_stream.http.health import Health
from trio_stream.ledger.moving import Ended
from trio_stream.log.disk import DiskUsage

FINE = DiskUsage(1, 1, 1_000, "")


def health(
    away: float = 0, usage: DiskUsage | None = FINE, ended: Ended | None = None
) -> Health:
    async def disk() -> DiskUsage | None:
        await trio.lowlevel.checkpoint()
        return usage

    return Health(
        door=lambda: PlacesStatistics(0, 0, None, away),
        disk=disk,
        ended=lambda: ended,
        engine_timeout=30,
        free_bytes=1_000,
    )


async def ready(
    away: float = 0, usage: DiskUsage | None = FINE, ended: Ended | None = None
) -> tuple[int, Any]:
    answer = await health(away, usage, ended).ready(b"")
    assert (answer.retry_after is None) == (answer.status == 200)
    return answer.status, json.loads(answer.body)


async def test_whoever_answers_is_alive() -> None:
    answer = await health(math.inf, None).live(b"")
    assert (answer.status, json.loads(answer.body)) == (200, {"live": True})


@pytest.mark.parametrize("away", [0, 29.9])
async def test_a_node_is_ready_if_its_engine_was_there_a_moment_ago(
    away: float,
) -> None:
    said = {"ready": True, "chain": "ok", "engine": "ok", "log": "ok", "disk": "ok"}
    assert await ready(away) == (200, said)


@pytest.mark.parametrize(
    ("away", "usage", "what", "why"),
    [
        (math.inf, FINE, "engine", "no engine has connected yet"),
        (31.4, FINE, "engine", "no engine has been connected for 31 s"),
        (0, FINE._replace(trouble="it is gone"), "log", "it is gone"),
        (0, None, "log", "its disk does not answer"),
        (0, FINE._replace(free=999), "disk", "999 bytes are free, less than 1000"),
    ],
)
async def test_a_node_that_is_not_ready_says_why(
    away: float, usage: DiskUsage | None, what: str, why: str
) -> None:
    fine = {"chain": "ok", "engine": "ok", "log": "ok", "disk": "ok"}
    said = {"ready": False, **fine, what: why}
    assert await ready(away, usage) == (503, said)


async def test_a_node_whose_chain_has_ended_is_not_ready() -> None:
    status, said = await ready(ended=Ended("old", 7, 7))
    assert status == 503
    assert said["chain"].startswith(
        "chain 'old' was migrated at height 7, and no block"
    )
    assert said["engine"] == "ok"


async def test_an_engine_that_is_connected_is_never_away_for_too_long() -> None:
    async def disk() -> DiskUsage:
        await trio.lowlevel.checkpoint()
        return FINE

    door = PlacesStatistics(4, 0, None, 0.0)
    strict = Health(
        door=lambda: door,
        disk=disk,
        ended=lambda: None,
        engine_timeout=0,
        free_bytes=0,
    )
    assert (await strict.ready(b"")).status == 200
