"""Followed blocks are cut into runs that delay nobody."""

from __future__ import annotations

import pytest

from tests.log.followed.made import event, hash_at, made, transfer, tx_of
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.feeds import runs
from trio_stream.feeds.runs import BlockRow, GapRow, TxRow, cut, rows_of
from trio_stream.stream.position import Position

END = Position.end_of
BLOCKS: list[FollowedBlock | Gap] = [
    made(5, [transfer("me")], [transfer("me")], ended=[event("mint"), event("burn")]),
    made(6),
    Gap(7, 9, "pruned", "x"),
    made(10, [transfer("me")]),
]


def test_each_position_is_a_row() -> None:
    first, second, end = rows_of(BLOCKS[0])
    assert isinstance(first, TxRow) and isinstance(second, TxRow)
    assert isinstance(end, BlockRow)
    assert [Position.of_key(row.key) for row in (first, second, end)] == [
        *(Position(5, 0), Position(5, 1), END(5)),
    ]
    assert (first.tx, first.size, end.size) == (tx_of(5, 0), 1, 2)
    assert end.head.time == "2026-11-28T08:00:05.000000007Z"
    (gap,) = rows_of(BLOCKS[2])
    assert isinstance(gap, GapRow)
    assert (gap.size, gap.fingerprint, gap.key) == (0, None, END(9).key)


def test_small_blocks_are_one_run() -> None:
    (run,) = cut(BLOCKS, after=END(4))
    assert (run.start, run.end, len(run.rows)) == (END(4), END(10), 7)
    assert run.fingerprint == hash_at(10).hex()
    assert [*cut([], after=END(4))] == []


@pytest.mark.parametrize(("name", "most"), [("RUN_EVENTS", 1), ("RUN_ROWS", 1)])
def test_large_ones_are_divided(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(runs, name, most)
    found = [*cut(BLOCKS, after=END(4))]
    assert len(found) > 3
    assert found[0].end == Position(5, 0)
    tx = next(rows_of(BLOCKS[0]))
    assert found[0].fingerprint == tx.fingerprint
    assert all(one.end == two.start for one, two in zip(found, found[1:], strict=False))
    rows = [row for run in found for row in run.rows]
    assert rows == [row for block in BLOCKS for row in rows_of(block)]
