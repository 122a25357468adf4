"""What a follower needs to be ready, besides its log."""

from __future__ import annotations

import math

import pytest

from tests.http.followed.rooms import FOLLOWER, node
from trio_stream.follower.statistics import FollowerStatistics
from trio_stream.http.followed.health import FollowerHealth


@pytest.mark.parametrize(
    ("silent", "said"),
    [
        (0, "ok"),
        (60, "ok"),
        (61.2, "no node has answered for 61 s"),
        (math.inf, "no node has answered yet"),
    ],
)
def test_it_is_ready_if_a_node_answered_a_moment_ago(silent: float, said: str) -> None:
    nodes = node(silent=silent), node(silent=math.inf)
    found = FollowerStatistics(nodes, 10, "")
    assert FollowerHealth(follower=lambda: found, node_timeout=60).checks() == {
        "nodes": said
    }


def test_one_that_has_no_patience_needs_an_answer_at_all() -> None:
    health = FollowerHealth(follower=lambda: FOLLOWER, node_timeout=0)
    assert health.checks()["nodes"] == "no node has answered for 0 s"
