from __future__ import annotations

from hashlib import sha256

from tests.log.followed.made import event, hash_at, made, transfer
from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.results import read_results
from trio_stream.log.followed.block_rows import LARGEST, block_row, transaction_rows
from trio_stream.log.followed.blocks import block_events
from trio_stream.stream.position import key_of


def test_the_row_of_a_block() -> None:
    block = made(61, [transfer("a")], [], ended=[event("end"), event("end")])
    events = block_events(block.results)
    # 2026-11-28T08:01:01.000000007Z
    assert block_row(block, events) == (61, hash_at(61), 1_795_852_861, 7, 2, 2, 0)


def test_the_rows_of_its_transactions() -> None:
    usual = made(61, [transfer("a"), transfer("b")], [])
    raw_block, raw_results = usual.raw_block, usual.raw_results
    raw_results["txs_results"][1].update(code=5, gas_wanted=str(1 << 63), gas_used="3")
    block = FollowedBlock(
        read_block(raw_block), read_results(raw_results), raw_block, raw_results
    )
    assert list(transaction_rows(block)) == [
        (key_of(61, 0), sha256(b"tx 0 of 61").digest(), 0, 10, 9, 2),
        (key_of(61, 1), sha256(b"tx 1 of 61").digest(), 5, LARGEST, 3, 0),
    ]
