"""What a running BigchainDB 2.2.2 answered, answered by the whole node without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import Step, recorded_steps, replay
from tests.instant_node import instant_node


def leave_out(step: Step) -> str | None:
    """Why a step cannot be replayed yet."""
    if "elections" in step.get("tags", ()):
        return "elections"
    return None


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
    assert report.failed == {}
    everything = [*report.passed, *report.left_out]
    assert sorted(everything) == sorted(step["name"] for step in recorded_steps())
    assert set(report.left_out.values()) == {"elections"}
