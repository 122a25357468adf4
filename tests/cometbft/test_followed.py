from __future__ import annotations

from tests.cometbft.recordings import answer, at, block, results
from trio_stream.cometbft.followed import FollowedBlock


def test_a_block_says_its_height_and_hash() -> None:
    name = "sdk050_cmt0.38.11"
    raw = answer(name, at("block", 28, name)), answer(
        name, at("block_results", 28, name)
    )
    kept = FollowedBlock(block(name, 28), results(name, 28), *raw)
    assert kept.height == 28
    assert kept.hash == block(name, 28).block_id.hash
