"""A check finds what was changed of the chains that went on with a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import commit_blocks
from tests.ledger.chains import TIME
from tests.log.tampering import tamper
from trio_stream.ledger.block import Block, Chain, Continued
from trio_stream.log.moves import mark_imported
from trio_stream.log.verify import verify
from trio_stream.log.writer import CommitLog


def move(log: CommitLog, name: str, *, blocks: int = 2) -> None:
    tip = log.tip()
    assert tip is not None
    end = Continued(tip.height, tip.app_hash, log.digest(tip.height))
    first = tip.height + 1
    log.begin_chain(Chain(name, 1, tip.app_hash, first, TIME, (), end))
    for height in range(first, first + blocks):
        log.append(Block(height, TIME, tip.app_hash, [], []))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a log whose chains begin with the blocks 1, 5, 7 and, one day, 9."""
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 4)
        move(log, "second")
        move(log, "third")
        move(log, "fourth", blocks=0)
    return log.path


def findings(path: Path) -> list[tuple[int | None, str]]:
    return [(each.height, each.text) for each in verify(path, processes=1).findings]


def test_a_log_with_moves_is_whole(path: Path) -> None:
    assert findings(path) == []


def test_so_is_one_that_waits_for_a_chain(path: Path) -> None:
    with CommitLog.open(path.parent) as log:
        mark_imported(log.connection)
    assert findings(path) == []


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (
            "digest = NULL WHERE initial_height = 7",
            [(7, "not that of the blocks before")],
        ),
        (
            "digest = 'a' WHERE initial_height = 5",
            [(5, "not that of the blocks before")],
        ),
        (
            "digest = 'a' WHERE initial_height = 9",
            [(None, "not that of the blocks before")],
        ),
        (
            "initial_height = 6 WHERE initial_height = 5",
            [
                (None, "not that of the blocks before"),
                (6, "not that of the blocks before"),
                (7, "not that of the blocks before"),
            ],
        ),
        (
            "chain_id = 'other' WHERE initial_height = 5",
            [
                (None, "not that of the blocks before"),
                (7, "not that of the blocks before"),
            ],
        ),
        (
            "chain_id = NULL WHERE initial_height = 7",
            [(None, "not that of the blocks before"), (7, "has no name")],
        ),
        ("rules = 2 WHERE initial_height = 9", [(None, "unknown rules 2")]),
        ("start_hash = 'a' WHERE initial_height = 9", [(None, "another app hash")]),
    ],
)
def test_what_was_changed_is_found(
    path: Path, sql: str, found: list[tuple[int | None, str]]
) -> None:
    tamper(path, f"UPDATE moves SET {sql}")
    said = findings(path)
    assert [height for height, _ in said] == [height for height, _ in found]
    for (_, text), (_, expected) in zip(said, found, strict=True):
        assert expected in text


def test_what_comes_before_may_contradict_itself(path: Path) -> None:
    tamper(path, "DELETE FROM bodies WHERE position = 2 << 26")
    said = findings(path)
    assert (
        5,
        "the digest of the chain from 5 on is not that of the blocks before",
    ) in said
    assert min(height for height, _ in said if height) == 2
