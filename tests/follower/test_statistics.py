from __future__ import annotations

import math

import trio
from trio.testing import MockClock

from trio_stream.follower.statistics import (
    SHOWN,
    FollowerStatistics,
    NodeState,
    NodeStatistics,
    Record,
)


def node(state: NodeState, tip: int, silent: float) -> NodeStatistics:
    return NodeStatistics("n", state, "made", tip, 1, 5.0, 0.0, 1, {}, "", silent)


async def test_a_record_says_how_it_stands_with_a_node(mock_clock: MockClock) -> None:
    record = Record()
    assert (record.state.value, record.silent) == ("unknown", math.inf)
    record.troubled("Unreachable", "x" * 1000)
    assert record.state.value == "troubled"
    assert record.trouble.startswith("Unreachable: xxx")
    assert len(record.trouble) == SHOWN
    await trio.lowlevel.checkpoint()
    record.answered()
    mock_clock.jump(7)
    assert record.state.value == "answering"
    assert (record.silent, record.trouble, record.answers) == (7, "", 1)
    assert record.troubles == {"Unreachable": 1}


def test_nodes_that_are_not_asked_count_for_nothing() -> None:
    nodes = (
        node(NodeState.EXCLUDED, 99, 0.5),
        node(NodeState.ANSWERING, 7, 2),
        node(NodeState.TROUBLED, 8, 30),
    )
    found = FollowerStatistics(nodes, 8, "")
    assert (found.tip, found.silent) == (8, 2)
    nobody = FollowerStatistics(nodes[:1], 0, "")
    assert (nobody.tip, nobody.silent) == (0, math.inf)
