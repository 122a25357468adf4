"""A log's blocks as they are read one after the other."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.history import app_hash_of, commit_blocks, txs_of
from tests.ledger.chains import TIME
from tests.log.tampering import tamper, written
from trio_stream.log.blocks import StoredBlock, extent, stored_blocks
from trio_stream.log.errors import LogDamaged, NoSuchBlock
from trio_stream.log.file import open_for_reading
from trio_stream.log.writer import CommitLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, blocks=9)


def blocks_of(path: Path, height: int | None = None) -> list[StoredBlock]:
    with closing(open_for_reading(path)) as connection, connection:
        found = extent(connection, path, height)
        blocks = list(stored_blocks(connection, path, found))
    assert found.last == len(blocks)
    assert found.transactions == sum(len(each.accepted) for each in blocks)
    return blocks


@pytest.mark.parametrize("height", [None, 1, 5, 9])
def test_they_hold_what_the_engine_delivered(path: Path, height: int | None) -> None:
    blocks = blocks_of(path, height)
    assert [each.height for each in blocks] == list(range(1, (height or 9) + 1))
    for block in blocks:
        assert block.app_hash == app_hash_of(block.height)
        assert block.time == TIME
        txs = dict(enumerate(txs_of(block.height)))
        assert [txs.pop(index) for index, _ in block.accepted] == [
            raw for _, raw in block.accepted
        ]
        assert sorted(txs) == [each.index for each in block.refused]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DELETE FROM bodies WHERE position >> 26 = 9", "block 9 does not hold"),
        ("DELETE FROM transactions WHERE position >> 26 = 9", "block 9 does not hold"),
        ("DELETE FROM refused WHERE position >> 26 = 2", "block 2 does not hold"),
        ("DELETE FROM blocks WHERE height = 4", "block 4 is missing"),
        ("UPDATE blocks SET accepted = 2 WHERE height = 7", "block 7 does not hold"),
    ],
)
def test_they_must_not_contradict_themselves(path: Path, sql: str, says: str) -> None:
    tamper(path, sql)
    with pytest.raises(LogDamaged, match=says):
        blocks_of(path)


def test_there_must_be_such_a_block(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        with pytest.raises(NoSuchBlock, match="it holds no chain"):
            extent(log.connection, log.path, None)
        commit_blocks(log, 0)
        with pytest.raises(NoSuchBlock, match="it holds no block "):
            extent(log.connection, log.path, None)
        commit_blocks(log, 2)
        for height in (0, 3, -1):
            with pytest.raises(NoSuchBlock, match=f"it holds no block {height} "):
                extent(log.connection, log.path, height)
