"""Blocks are made once, ahead, and kept within bounds."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.jsonrpc.drop_in import BLOCK, TX, payment
from tests.log.followed.made import made
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.cometbft.queries import Generation
from trio_stream.cometbft.query_parser import parse
from trio_stream.jsonrpc.announced import Announced
from trio_stream.jsonrpc.blocks import (
    AHEAD_BLOCKS,
    AHEAD_BYTES,
    AHEAD_TXS,
    Blocks,
    Dropped,
    why_not,
)
from trio_stream.jsonrpc.lines import NEWEST

QUERY, OTHER = parse(TX), parse(BLOCK)


class Reader:
    """A log in memory that counts what is read."""

    def __init__(self, *entries: FollowedBlock | Gap, oldest: int = 1) -> None:
        self.entries = {
            each.first if isinstance(each, Gap) else each.height: each
            for each in entries
        }
        self.oldest = oldest
        self.read: list[list[int]] = []
        self.live: list[bool] = []

    async def each_after(
        self, height: int, *, take: Callable[[FollowedBlock | Gap], bool], is_live: bool
    ) -> int:
        heights: list[int] = []
        self.read.append(heights)
        self.live.append(is_live)
        while (entry := self.entries.get(height := height + 1)) is not None:
            heights.append(height)
            if not take(entry):
                break
            height = entry.last if isinstance(entry, Gap) else height
        return self.oldest


async def test_blocks_are_made_ahead() -> None:
    reader = Reader(*(payment(height, "a") for height in range(1, 100)))
    blocks = Blocks(reader)
    for height in range(1, 100):
        found = await blocks.at(height, [QUERY])
        assert isinstance(found, Announced) and found.height == height
    assert reader.read == [
        [*range(1, 1 + AHEAD_BLOCKS)],
        [*range(1 + AHEAD_BLOCKS, 100)],
    ]
    assert reader.live == [False, False]


async def test_as_far_ahead_as_is_little() -> None:
    large = [payment(height, "a" * (AHEAD_BYTES // 2)) for height in range(1, 5)]
    reader = Reader(*large)
    await Blocks(reader).at(1, [QUERY])
    assert len(reader.read[0]) < 4
    many = [made(height, *[[]] * AHEAD_TXS) for height in range(1, 5)]
    reader = Reader(*many)
    await Blocks(reader).at(1, [parse("a.b=1")])
    assert reader.read == [[1]]


async def test_what_is_kept_has_what_all_have_asked() -> None:
    reader = Reader(payment(1, "a"))
    blocks = Blocks(reader)
    await blocks.at(1, [QUERY])
    await blocks.at(1, [OTHER])
    for queries in ([QUERY], [OTHER], [QUERY, OTHER], []):
        found = await blocks.at(1, queries)
        assert isinstance(found, Announced) and found.covers(queries)
    assert len(reader.read) == 2


async def test_memory_is_bounded() -> None:
    reader = Reader(*(payment(height, "a" * 1000) for height in range(1, 60)))
    blocks = Blocks(reader, kept_bytes=20_000)
    for height in range(1, 60):
        await blocks.at(height, [QUERY])
    assert 5_000 < blocks.weight <= 20_000
    tiny = Blocks(reader, kept_bytes=1)
    assert isinstance(await tiny.at(59, [QUERY]), Announced)
    assert tiny.weight > 1


async def test_new_blocks_are_made_for_all() -> None:
    reader = Reader(payment(1, "a"), payment(2, "b"))
    blocks = Blocks(reader)
    queries = [QUERY]
    assert len(await blocks.after(0, queries)) == 2
    reader.entries[3] = payment(3, "c")
    [found] = await blocks.after(2, [OTHER])
    assert isinstance(found, Announced)
    assert found.covers([OTHER]) and not found.covers([QUERY])
    reader.entries[4] = payment(4, "c")
    [found] = await blocks.after(3, [OTHER, QUERY])
    assert isinstance(found, Announced) and found.covers([OTHER, QUERY])
    assert reader.live == [True] * 3
    # They are there for those who wait for them.
    assert await blocks.at(4, [QUERY]) is found
    assert len(reader.read) == 3


async def test_what_the_log_does_not_have() -> None:
    gap = Gap(5, 8, "pruned", "nobody has them")
    blocks = Blocks(Reader(gap, payment(9), oldest=5))
    assert await blocks.at(4, [QUERY]) == Dropped(5)
    assert await blocks.after(3, [QUERY]) == [Dropped(5)]
    assert await blocks.at(5, [QUERY]) == gap
    assert await blocks.after(4, [QUERY]) == [gap]


async def test_the_line_is_that_of_the_newest_block() -> None:
    new = payment(2)
    raw = {**payment(1).raw_results, "begin_block_events": []}
    del raw["finalize_block_events"]
    old = FollowedBlock(payment(1).block, payment(1).results, payment(1).raw_block, raw)
    blocks = Blocks(Reader(old))
    assert blocks.line == NEWEST
    await blocks.after(0, [])
    assert blocks.line.generation is Generation.UP_TO_0_37
    blocks = Blocks(Reader(old, new))
    await blocks.at(2, [])
    await Blocks(Reader(old)).at(1, [])
    assert blocks.line == NEWEST


async def test_a_block_that_makes_no_frames_is_a_gap(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = payment(1, "a")
    raw = {**whole.raw_results, "validator_updates": [{"power": "x"}]}
    broken = FollowedBlock(whole.block, whole.results, whole.raw_block, raw)
    with caplog.at_level(logging.ERROR):
        found = await Blocks(Reader(broken)).at(1, [QUERY])
    assert isinstance(found, Gap) and found.reason == "corrupt"
    assert "block 1 cannot be announced" in caplog.text


async def test_the_same_list_has_the_same_queries() -> None:
    reader = Reader(*(payment(height, "a") for height in range(1, 5)))
    blocks = Blocks(reader)
    queries = [QUERY]
    for asked in (queries, queries, [OTHER], queries):
        found = await blocks.after(3, asked)
        assert isinstance(found[0], Announced)
        assert [len(found[0].numbers[each]) for each in asked] == [1]


def test_why_subscriptions_end() -> None:
    assert why_not(Dropped(7)) == ("pruned: the oldest block here is 7", "6")
    one = Gap(5, 5, "discarded", "nobody has it")
    assert why_not(one) == ("gap: block 5 is missing: discarded: nobody has it", "5")
    assert "blocks 5 to 6 are" in why_not(Gap(5, 6, "pruned", "x")).reason
