"""What follows a height."""

from __future__ import annotations

from tests.log.followed.made import made, transfer
from trio_stream.cometbft.followed import Gap
from trio_stream.log.followed import live
from trio_stream.log.followed.live import blocks_after, each_after
from trio_stream.log.followed.writer import FollowedLog

MEGABYTE = 1 << 20


def filled(log):
    found = [made(5, [transfer("me")]), made(6), Gap(7, 9, "pruned", "x"), made(10)]
    for each in found:
        if isinstance(each, Gap):
            log.gap(each)
        else:
            log.append(each)
    return found


def test_blocks_and_gaps_come_in_order(log):
    found = filled(log)
    assert blocks_after(4, MEGABYTE, log.connection) == found
    assert blocks_after(6, MEGABYTE, log.connection) == found[2:]
    assert blocks_after(7, MEGABYTE, log.connection) == found[2:]
    assert blocks_after(10, MEGABYTE, log.connection) == []


def test_there_is_always_one(log):
    found = filled(log)
    assert blocks_after(4, 1, log.connection) == found[:1]
    assert blocks_after(5, 1, log.connection) == found[1:3]


def test_there_is_a_limit_for_small_ones(log, monkeypatch):
    monkeypatch.setattr(live, "BLOCKS_PER_READ", 2)
    found = filled(log)
    assert blocks_after(4, MEGABYTE, log.connection) == found[:2]


def test_each_that_follows_until_it_is_enough(log):
    found, taken = filled(log), []

    def take(each):
        taken.append(each)
        return len(taken) < 5

    assert each_after(4, take, log.connection) == 5
    assert taken == found
    assert each_after(5, take, log.connection) == 5
    assert taken == [*found, found[1]]


def test_a_log_without_a_chain_has_nothing(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        assert each_after(0, lambda _: True, log.connection) == 1
