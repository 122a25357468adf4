"""What a running BigchainDB 2.2.2 answered, answered by the whole node without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import Report, Step, recorded_steps, replay
from tests.instant_node import instant_node


def leave_out(step: Step) -> str | None:
    """Why a step cannot be replayed yet."""
    if "elections" in step.get("tags", ()):
        return "elections"
    return None


def check(report: Report) -> None:
    """Every step went as recorded, but for those that were left out for their reason."""
    assert report.failed == {}
    steps = recorded_steps()
    left_out = {step["name"]: why for step in steps if (why := leave_out(step))}
    assert report.left_out == left_out
    assert sorted([*report.passed, *left_out]) == sorted(each["name"] for each in steps)


@pytest.mark.parametrize("whole", [False, True])
async def test_answers_events_and_app_hashes_are_the_recorded_ones(
    whole: bool, tmp_path: Path
) -> None:
    async with instant_node(tmp_path, whole=whole) as node:
        report = await replay(
            node.http_url,
            node.ws_url,
            leave_out=leave_out,
            start_hash=node.app_hashes[1],
            app_hash=node.app_hash,
        )
    print(report)
    check(report)
