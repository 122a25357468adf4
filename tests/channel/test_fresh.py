"""Blocks that were just committed, on their way to the channel."""

from __future__ import annotations

from tests.log.followed.made import event, made, transfer
from trio_stream.channel.fresh import AT_ONCE, Fresh
from trio_stream.cometbft.followed import FollowedBlock, Gap


def block(height: int, size: int = 10) -> FollowedBlock:
    """A block of which so many transactions and events are kept, its own end included."""
    return made(height, [event("x")] * (size - 3), ended=[event("y")])


def test_blocks_that_follow_are_taken_once() -> None:
    fresh = Fresh()
    blocks: list[FollowedBlock | Gap]
    blocks = [made(5, [transfer("a")], []), Gap(6, 8, "pruned", ""), made(9)]
    fresh.add(blocks)
    assert fresh.take_after(3) == []  # 4 is not here
    assert len(fresh) == 3
    assert fresh.take_after(4) == blocks
    assert fresh.take_after(4) == [] == fresh.take_after(9)
    assert not fresh


def test_what_was_read_from_the_log_is_passed() -> None:
    fresh = Fresh()
    fresh.add([made(5), Gap(6, 8, "pruned", ""), made(9)])
    assert fresh.take_after(8) == [made(9)]
    fresh.add([made(10)])
    assert fresh.take_after(10) == []
    assert not fresh


def test_little_is_kept_and_not_all_is_taken_at_once() -> None:
    fresh = Fresh(most=30)
    fresh.add(block(height) for height in range(5, 10))
    assert [each.height for each in fresh.take_after(6)] == [7, 8, 9]
    fresh = Fresh()
    large = [block(height, AT_ONCE // 2) for height in range(5, 9)]
    fresh.add(large)
    assert fresh.take_after(4) == large[:2]
    assert fresh.take_after(6) == large[2:]


def test_a_block_that_is_larger_than_all_that_is_kept_is_left_to_the_log() -> None:
    fresh = Fresh(most=30)
    fresh.add([block(5), block(6, 31)])
    assert not fresh
    fresh.add([block(7)])
    assert len(fresh.take_after(6)) == 1
