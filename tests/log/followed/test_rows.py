"""How far the log is."""

from __future__ import annotations

from tests.log.followed.made import CHAIN, hash_at, made
from trio_stream.cometbft.followed import FollowedTip, Gap
from trio_stream.log.followed.rows import gap_at, hash_of, newest, stored_chain
from trio_stream.log.followed.writer import FollowedLog


def test_a_log_without_a_chain_has_nothing(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        assert stored_chain(log.connection) is None
        assert newest(log.connection) == FollowedTip(0, None)


def test_the_tip_is_a_block_or_the_end_of_a_gap(log):
    db = log.connection
    assert stored_chain(db) == CHAIN
    assert newest(db) == FollowedTip(4, None)
    log.gap(Gap(5, 6, "pruned", "x"))
    assert newest(db) == FollowedTip(6, None)
    log.append(made(7))
    assert newest(db) == FollowedTip(7, hash_at(7))
    log.gap(Gap(8, 9, "corrupt", "x"))
    assert newest(db) == FollowedTip(9, None)


def test_a_gap_is_found_by_any_of_its_heights(log):
    gap = Gap(5, 6, "pruned", "nobody has them")
    log.gap(gap)
    log.append(made(7))
    found = [gap_at(log.connection, height) for height in (4, 5, 6, 7)]
    assert found == [None, gap, gap, None]


def test_only_blocks_have_a_hash(log):
    log.append(made(5))
    assert hash_of(log.connection, 5) == hash_at(5)
    assert hash_of(log.connection, 6) is None
