"""What a running BigchainDB 2.2.2 answered, answered by the whole node without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import Report, recorded_steps, replay
from tests.instant_node import instant_node


def check(report: Report) -> None:
    """Every step went as recorded."""
    assert report.failed == {}
    assert report.left_out == {}
    assert sorted(report.passed) == sorted(each["name"] for each in recorded_steps())


@pytest.mark.parametrize("whole", [False, True])
async def test_answers_events_and_app_hashes_are_the_recorded_ones(
    whole: bool, tmp_path: Path
) -> None:
    async with instant_node(tmp_path, whole=whole) as node:
        report = await replay(
            node.http_url,
            node.ws_url,
            leave_out=lambda step: None,
            start_hash=node.app_hashes[1],
            app_hash=node.app_hash,
        )
    print(report)
    check(report)
