"""What is dropped, and what is said of it."""

from __future__ import annotations

import pytest

from tests.log.followed.made import CHAIN, event, hash_at, made, transfer
from trio_stream.cometbft.followed import Gap
from trio_stream.log.followed import pruning
from trio_stream.log.followed.keep import Keep, used_bytes
from trio_stream.log.followed.writer import FollowedLog

TABLES = (
    *("blocks", "block_bodies", "transactions", "transaction_bodies"),
    *("events", "attributes"),
)


@pytest.fixture
def opened(tmp_path):
    """Opens the log with what is kept."""
    logs: list[FollowedLog] = []

    def opened(keep):
        for each in logs:
            each.close()
        log = FollowedLog.open(tmp_path, keep=keep)
        logs[:] = [log]
        log.begin(CHAIN)
        return log

    yield opened
    logs[0].close()


def filled(log, until, *, first=5):
    for height in range(first, until + 1):
        ended = [event("mint", f"amount={height}")]
        log.append(made(height, [transfer("me")], [transfer(str(height))], ended=ended))


def oldest(log):
    sql = "SELECT oldest, before_oldest FROM chain"
    return log.connection.execute(sql).fetchall()[0]


def heights(log, table):
    column = "position >> 26"
    if "block" in table:
        column = "height"
    sql = f"SELECT DISTINCT {column} FROM {table} ORDER BY 1"
    return [height for (height,) in log.connection.execute(sql)]


def test_nothing_is_dropped_of_what_is_kept(opened, tmp_path):
    log = FollowedLog.open(tmp_path, keep=Keep(blocks=1))
    assert not log.prune()
    log.close()
    log = opened(Keep(blocks=10))
    filled(log, 14)
    assert not log.prune()
    assert oldest(log) == (5, hash_at(4))


@pytest.mark.parametrize("table", TABLES)
def test_no_row_of_a_dropped_block_is_left(opened, table):
    log = opened(Keep(blocks=3))
    filled(log, 20)
    assert not log.prune()
    assert heights(log, table) == [18, 19, 20]
    assert oldest(log) == (18, hash_at(17))


@pytest.mark.parametrize(("name", "most"), [("ROWS", 10), ("BLOCKS", 4)])
def test_it_goes_a_few_blocks_at_a_time(opened, monkeypatch, name, most):
    monkeypatch.setattr(pruning, name, most)
    log = opened(Keep(blocks=1))
    filled(log, 12)
    assert log.prune()
    assert 5 < oldest(log)[0] < 12
    while log.prune():
        pass
    assert oldest(log) == (12, hash_at(11))


def test_bytes_are_freed_until_it_is_enough(opened):
    log = opened(Keep())
    filled(log, 100)
    bound = used_bytes(log.connection) // 2
    log = opened(Keep(bytes=bound))
    assert log.prune()
    while log.prune():
        pass
    assert used_bytes(log.connection) <= bound
    assert 30 < oldest(log)[0] < 100
    filled(log, 104, first=101)


def test_a_gap_is_dropped_as_a_whole(opened):
    log = opened(Keep(blocks=3))
    filled(log, 6)
    log.gap(Gap(7, 20, "pruned", "x"))
    filled(log, 22, first=21)
    assert not log.prune()
    assert oldest(log) == (21, None)
    assert log.connection.execute("SELECT * FROM v1_gaps").fetchall() == []


def test_the_newest_gap_stays(opened):
    log = opened(Keep(blocks=2))
    filled(log, 6)
    log.gap(Gap(7, 20, "pruned", "x"))
    log.prune()
    assert oldest(log) == (7, hash_at(6))
    assert not log.prune()
    assert log.tip().height == 20
    filled(log, 21, first=21)


def test_a_chain_goes_on_when_all_but_one_block_are_dropped(opened):
    log = opened(Keep(blocks=1))
    for height in range(5, 30):
        filled(log, height, first=height)
        log.prune()
    assert heights(log, "blocks") == [29]
    assert log.tip().hash == hash_at(29)
