"""How far the log is."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

from tests.log.followed.made import CHAIN, hash_at, made, tx_of
from trio_stream.cometbft.followed import FollowedTip, Gap
from trio_stream.log.followed.rows import (
    gap_at,
    hash_of,
    newest,
    newest_with,
    stored_chain,
)
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.position import key_of


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


def test_of_a_transaction_that_comes_again_the_newest_is_found(log):
    log.append(made(5, [], []))
    digest = sha256(b64decode(tx_of(5, 0))).digest()
    assert newest_with(log.connection, digest) == key_of(5, 0)
    log.connection.execute("UPDATE transactions SET hash = ?", (digest,))
    assert newest_with(log.connection, digest) == key_of(5, 1)
    assert newest_with(log.connection, bytes(32)) is None
