"""An empty log of a followed chain."""

from __future__ import annotations

import pytest

from tests.log.followed.made import CHAIN
from trio_stream.log.followed.writer import FollowedLog


@pytest.fixture
def log(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        log.begin(CHAIN)
        yield log
