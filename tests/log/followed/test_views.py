"""What other programs may rely on in the log of a followed chain."""

from __future__ import annotations

import sqlite3

import pytest

from tests.log.followed.made import CHAIN, event, hash_at, made, transfer
from trio_stream.cometbft.followed import Gap
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.writer import FollowedLog

END = (1 << 26) - 1


@pytest.fixture
def asked(tmp_path):
    """Asks with the standard library's SQLite, while the log is open for writing."""
    with FollowedLog.open(tmp_path, keep=Keep(blocks=4)) as log:
        log.begin(CHAIN)
        log.append(made(5))
        tx = [transfer("me"), event("wasm", "x=" + "y" * 300, indexed=True)]
        log.append(made(6, tx, [], ended=[event("mint", "amount=1")]))
        log.gap(Gap(7, 8, "pruned", "nobody has them"))
        log.append(made(9))
        log.prune()
        db = sqlite3.connect(f"file:{log.path}?mode=ro", uri=True)
        yield lambda sql: db.execute(sql).fetchall()
        db.close()


def test_the_chain(asked):
    assert asked("SELECT * FROM v1_followed_chain") == [(CHAIN.chain_id, 6, 9)]


def test_blocks(asked):
    assert asked("SELECT * FROM v1_followed_blocks") == [
        (6, "2026-11-28T08:00:06.000000007Z", hash_at(6).hex().upper(), 2, 1),
        (9, "2026-11-28T08:00:09.000000007Z", hash_at(9).hex().upper(), 0, 0),
    ]


def test_gaps(asked):
    assert asked("SELECT * FROM v1_gaps") == [(7, 8, "pruned", "nobody has them")]


def test_transactions(asked):
    hashes = made(6, [], []).block.tx_hashes
    assert asked("SELECT * FROM v1_followed_transactions") == [
        (6 << 26, 6, 0, hashes[0], 0, 10, 9, 2),
        ((6 << 26) + 1, 6, 1, hashes[1], 0, 10, 9, 0),
    ]


def test_types_of_events(asked):
    assert asked("SELECT * FROM v1_event_types ORDER BY sequence, type") == [
        ("transfer", 6 << 26, 6, 0),
        ("wasm", 6 << 26, 6, 0),
        ("mint", (6 << 26) + END, 6, None),
    ]


def test_attributes_that_are_indexed(asked):
    assert asked("SELECT * FROM v1_attributes ORDER BY sequence, key") == [
        ("transfer.amount", "5uatom", 6 << 26, 6, 0),
        ("transfer.recipient", "me", 6 << 26, 6, 0),
        ("mint.amount", "1", (6 << 26) + END, 6, None),
    ]


def test_a_value_is_found_by_the_index(asked):
    sql = "SELECT sequence FROM v1_attributes WHERE key = 'mint.amount' AND value = '1'"
    plan = [detail for *_, detail in asked(f"EXPLAIN QUERY PLAN {sql}")]
    assert plan[-1].startswith(
        "SEARCH attributes USING PRIMARY KEY (key=? AND value=?)"
    )
