"""A log of twelve blocks, a young one, and their readers."""

from __future__ import annotations

import pytest

from tests.history import commit_blocks
from tests.log.readers import BLOCKS, open_reader
from trio_stream.log.writer import CommitLog


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Twelve blocks of the history; tests only read them."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_blocks(log, BLOCKS)
        yield log


@pytest.fixture
async def reader(log):
    reader = open_reader(log)
    yield reader
    await reader.aclose()


@pytest.fixture
async def young(tmp_path):
    """A log without a block, and its reader."""
    with CommitLog.open(tmp_path) as log:
        reader = open_reader(log)
        yield log, reader
        await reader.aclose()
