"""What the log of a followed chain takes and keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.log.followed.made import CHAIN, event, hash_at, made, transfer
from trio_stream.cometbft.followed import FollowedChain, FollowedTip, Gap
from trio_stream.cometbft.results import read_results
from trio_stream.log.errors import (
    LogDamaged,
    LogInUse,
    LogOfOtherChain,
    LogOfOtherKind,
)
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.writer import CommitLog


def test_what_was_appended_is_there_after_opening_again(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        assert log.chain() is None
        assert log.tip() == FollowedTip(0, None)
        log.begin(CHAIN)
        assert log.append(made(5, [transfer("me")])) == FollowedTip(5, hash_at(5))
        assert log.wal_bytes > 0
    with FollowedLog.open(tmp_path) as log:
        assert log.chain() == CHAIN
        assert log.tip() == FollowedTip(5, hash_at(5))
        assert log.last() == made(5, [transfer("me")]).results


def test_there_is_nothing_to_verify_after_a_gap(log):
    assert log.last() is None
    log.append(made(5))
    assert log.gap(Gap(6, 8, "discarded", "x")) == FollowedTip(8, None)
    assert log.last() is None
    log.append(made(9))
    assert log.last() == made(9).results


@pytest.mark.parametrize("height", [4, 5, 7])
def test_heights_come_one_after_the_other(log, height):
    log.append(made(5))
    with pytest.raises(LogDamaged, match="newest is 5"):
        log.append(made(height))
    with pytest.raises(LogDamaged, match="newest is 5"):
        log.gap(Gap(height, height, "pruned", "x"))
    log.append(made(6))


def test_blocks_in_a_row_are_one_transaction(log):
    assert log.append(made(5, [transfer("me")]), made(6)) == FollowedTip(6, hash_at(6))
    assert log.last() == made(6).results
    with pytest.raises(LogDamaged, match="newest is 6"):
        log.append(made(7), made(9))
    with pytest.raises(KeyError):
        log.append(made(7), replace(made(8), raw_block={}))
    assert log.tip() == FollowedTip(6, hash_at(6))
    log.append(made(7))


def test_nothing_is_appended_before_the_chain_is_known(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        with pytest.raises(LogDamaged, match="no chain"):
            log.append(made(1))


def test_another_chain_is_refused(log):
    log.begin(FollowedChain(CHAIN.chain_id, 99))
    assert log.chain() == CHAIN
    with pytest.raises(LogOfOtherChain, match="cosmoshub-3"):
        log.begin(FollowedChain("cosmoshub-3", 5))


def test_the_log_of_a_node_is_no_log_of_a_follower(tmp_path):
    CommitLog.open(tmp_path).close()
    with pytest.raises(LogOfOtherKind, match="a node's log"):
        FollowedLog.open(tmp_path)


def test_a_directory_has_one_writer(log):
    with pytest.raises(LogInUse):
        FollowedLog.open(log.path.parent)
    assert not log.between_blocks.locked()


def test_a_block_that_does_not_fit_is_not_kept_at_all(log):
    log.append(made(5))
    pages = log.connection.pragma("page_count")
    log.connection.pragma("max_page_count", pages)
    many = [[transfer(f"{n}-{m}" * 20) for m in range(20)] for n in range(50)]
    with pytest.raises(Exception, match="full"):
        log.append(made(6, *many))
    assert log.tip() == FollowedTip(5, hash_at(5))
    log.connection.pragma("max_page_count", 1 << 20)
    log.append(made(6, *many))


def test_numbers_beyond_any_integer_are_cut(log):
    block = made(5, [event("a")])
    block.raw_results["txs_results"][0]["gas_used"] = str((1 << 64) - 1)
    log.append(replace(block, results=read_results(block.raw_results)))
    sql = "SELECT gas_wanted, gas_used FROM v1_followed_transactions"
    assert log.connection.execute(sql).fetchall() == [(10, (1 << 63) - 1)]


def test_what_is_beyond_the_bounds_is_dropped(tmp_path):
    with FollowedLog.open(tmp_path, keep=Keep(blocks=1)) as log:
        log.begin(CHAIN)
        for height in (5, 6):
            log.append(made(height))
        assert not log.prune()
        sql = "SELECT height FROM blocks"
        assert log.connection.execute(sql).fetchall() == [(6,)]
