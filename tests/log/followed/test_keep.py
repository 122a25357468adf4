"""Which blocks are beyond what is kept."""

from __future__ import annotations

import pytest

from tests.log.followed.made import made, transfer
from trio_stream.cometbft.followed import Gap
from trio_stream.log.followed.keep import EVERYTHING, Keep, surplus, used_bytes


@pytest.fixture
def full(log):
    """Blocks 5 to 104, a second apart."""
    for height in range(5, 105):
        log.append(made(height, [transfer("me")]))
    return log


@pytest.mark.parametrize(
    ("keep", "until"),
    [
        (EVERYTHING, None),
        (Keep(blocks=100), None),
        (Keep(blocks=99), 5),
        (Keep(blocks=1), 103),
        (Keep(blocks=0), 103),
        (Keep(seconds=99), None),
        (Keep(seconds=98.5), 5),
        (Keep(seconds=0), 103),
        (Keep(bytes=1 << 30), None),
        (Keep(bytes=1), 5),
        (Keep(blocks=50, seconds=9), 94),
    ],
)
def test_the_tightest_bound_counts(full, keep, until):
    assert surplus(full.connection, keep, oldest=5, tip=104) == until


def test_ages_need_a_block(log):
    log.gap(Gap(5, 9, "pruned", "x"))
    assert surplus(log.connection, Keep(seconds=1), oldest=5, tip=9) is None


def test_free_pages_are_not_in_use(full):
    used = used_bytes(full.connection)
    full.connection.execute("DELETE FROM transaction_bodies")
    assert used_bytes(full.connection) < used
