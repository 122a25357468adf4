"""A short run of the program that watches memory: it asks for what it says, and gets it."""

from __future__ import annotations

from pathlib import Path

from scripts.bench.memory import Grown, measure, show


async def test_a_short_run(tmp_path: Path) -> None:
    rows = await measure(tmp_path, 12)
    assert [row.load for row in rows] == ["refused POSTs", "largest GETs"]
    assert all(0 < row.last <= row.most for row in rows)
    assert "refused POSTs" in show(rows)


def test_the_bar_is_a_tenth() -> None:
    assert Grown("a", 100, 110, 150).holds
    assert not Grown("a", 100, 111, 150).holds
