"""Tests that share engines, drivers or the machine's time are kept apart from each other."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_what_is_slow_runs_in_one_process(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("all tests of this run are in one process")
    assert request.node.nodeid.endswith("@one by one")
