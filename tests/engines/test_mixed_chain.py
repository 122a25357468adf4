"""A chain with everything in it, elections above all, is fetched by an empty node."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.engines import build
from scripts.engines.build import Release
from scripts.mixed_chain import prove

ENGINES = ["tendermint-0.31.12", "tendermint-0.34.24", build.DEFAULT]

pytestmark = [pytest.mark.engine, pytest.mark.slow]


async def test_a_node_that_joins_has_the_same_hash_streams_and_log(
    engine: Release, tmp_path: Path
) -> None:
    """2,000 blocks are made by `python -m scripts.mixed_chain`."""
    assert "the same logs" in await prove(engine, tmp_path, blocks=100)
