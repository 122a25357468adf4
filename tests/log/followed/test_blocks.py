"""What was appended is read back."""

from __future__ import annotations

import pytest

from tests.cometbft import recordings
from tests.log.followed.made import event, made, transfer, tx_of
from trio_stream.cometbft.followed import FollowedBlock, FollowedChain
from trio_stream.log.followed.blocks import (
    read_bare_results,
    read_block_at,
    read_transaction,
)
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.rows import rows


@pytest.mark.parametrize("name", recordings.ALL)
def test_blocks_of_all_releases_come_back(name, tmp_path):
    height = recordings.busy(name)
    raw_block = recordings.answer(name, recordings.at("block", height, name))
    raw_results = recordings.answer(name, recordings.at("block_results", height, name))
    block = FollowedBlock(
        recordings.block(name, height),
        recordings.results(name, height),
        raw_block,
        raw_results,
    )
    with FollowedLog.open(tmp_path) as log:
        log.begin(FollowedChain(recordings.chain_id(name), height))
        log.append(block)
        assert read_block_at(log.connection, height) == block
        sql = "SELECT base64, body FROM blocks, transaction_bodies"
        bodies = rows(log.connection, sql)
    found = [read_transaction(*each) for each in bodies]
    assert [each.result for each in found] == [*block.results.txs]


def test_a_block_that_is_not_there(log):
    assert read_block_at(log.connection, 5) is None


def test_a_part_is_read_without_the_rest(log):
    block = made(5, [transfer("me")], [], ended=[event("mint", "amount=1")])
    log.append(block)
    ((body,),) = log.connection.execute("SELECT body FROM block_bodies").fetchall()
    bare = read_bare_results(0, body)
    assert not bare.txs
    assert [*bare.block_events()] == [*block.results.block_events()]
    bodies = log.connection.execute("SELECT body FROM transaction_bodies").fetchall()
    found = [read_transaction(0, each) for (each,) in bodies]
    assert [each.tx for each in found] == [tx_of(5, 0), tx_of(5, 1)]
    assert [each.result for each in found] == [*block.results.txs]
