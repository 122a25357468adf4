"""What a node needs to be ready, besides its log."""

from __future__ import annotations

import math

import pytest

from trio_stream.engine.places import PlacesStatistics
from trio_stream.http.node_health import NodeHealth
from trio_stream.ledger.moving import Ended


def checks(
    away: float = 0, ended: Ended | None = None, timeout: float = 30
) -> dict[str, str]:
    health = NodeHealth(
        door=lambda: PlacesStatistics(0, 0, None, away),
        ended=lambda: ended,
        engine_timeout=timeout,
    )
    return health.checks()


@pytest.mark.parametrize("away", [0, 29.9])
def test_an_engine_that_was_there_a_moment_ago_is_enough(away: float) -> None:
    assert checks(away) == {"chain": "ok", "engine": "ok"}


@pytest.mark.parametrize(
    ("away", "why"),
    [
        (math.inf, "no engine has connected yet"),
        (31.4, "no engine has been connected for 31 s"),
    ],
)
def test_an_engine_that_is_away_is_named(away: float, why: str) -> None:
    assert checks(away) == {"chain": "ok", "engine": why}


def test_a_chain_that_has_ended_is_named() -> None:
    said = checks(ended=Ended("old", 7, 7))
    assert said["chain"].startswith(
        "chain 'old' was migrated at height 7, and no block"
    )
    assert said["engine"] == "ok"


def test_an_engine_that_is_connected_is_never_away_for_too_long() -> None:
    assert checks(timeout=0)["engine"] == "ok"
