"""A short run of the program that watches memory: it asks for what it says, and gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.memory import Grown, measure, refused, show
from tests.transactions.states import State
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.rules import validate


def test_what_is_posted_is_refused_and_differs() -> None:
    posts = list(refused(12))
    assert len({post.body for post in posts}) == 12
    for post in posts:
        with pytest.raises(ValidationError):
            validate(CandidateCache(1 << 20).examine(post.body), State())


@pytest.mark.slow
async def test_a_short_run(tmp_path: Path) -> None:
    rows = await measure(tmp_path, 12)
    assert [row.load for row in rows] == ["refused POSTs", "largest GETs"]
    assert all(0 < row.last <= row.most for row in rows)
    assert "refused POSTs" in show(rows)


def test_the_bar_is_a_tenth() -> None:
    assert Grown("a", 100, 110, 150).holds
    assert not Grown("a", 100, 111, 150).holds
