"""A check of a whole log: its file, its tables, its blocks, and what belongs to none of them."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.history import commit_blocks
from tests.log.tampering import BLOCKS, tamper, written
from tests.log.test_file import damage
from trio_stream.log import verify as verify_module
from trio_stream.log.errors import (
    CommitLogError,
    LogDamaged,
    LogFromNewerVersion,
    LogFromOlderVersion,
    LogMissing,
)
from trio_stream.log.verify import verify
from trio_stream.log.verify_file import Report
from trio_stream.log.writer import CommitLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "RANGE_TRANSACTIONS", 5)
    monkeypatch.setattr(verify_module, "RANGE_BLOCKS", 2)


def texts(report: Report) -> list[str]:
    assert report.found == len(report.findings)
    return [each.text for each in report.findings]


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_log_as_it_was_written_is_whole(
    path: Path, thorough: bool, processes: int, short_ranges: None
) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(
        path,
        thorough=thorough,
        processes=processes,
        progress=lambda *numbers: seen.append(numbers),
    )
    assert texts(report) == []
    assert (report.chain_id, report.first, report.last) == ("test-chain", 1, BLOCKS)
    assert report.sound_to == BLOCKS
    total = report.transactions
    assert seen[0] == (0, total)
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_a_log_may_grow_while_it_is_checked(tmp_path: Path, short_ranges: None) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 6)
        report = verify(
            log.path, processes=1, progress=lambda *_: commit_blocks(log, 2)
        )
        assert texts(report) == []
        assert report.last == 6
        assert log.tip().height > 10


def test_a_log_without_a_block_is_whole(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        pass
    report = verify(log.path)
    assert texts(report) == []
    assert (report.chain_id, report.last, report.transactions) == ("", 0, 0)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (
            "DROP INDEX refused_by_transaction_id",
            "index refused_by_transaction_id is missing",
        ),
        ("DROP VIEW v1_assets", "view v1_assets is missing"),
        ("CREATE INDEX mine ON outputs (amount)", "index mine does not belong there"),
        (
            "ALTER TABLE refused ADD COLUMN note TEXT",
            "table refused is another one than this release makes",
        ),
        ("DELETE FROM chain", "the table chain is empty"),
        ("UPDATE chain SET rules = 9", "its chain follows unknown rules 9"),
        (
            "INSERT INTO refused VALUES (99 << 26, x'00', NULL, 'e', 'r')",
            "refused has rows of heights that no block has",
        ),
        (
            "INSERT INTO moves VALUES (99, 'next', 1, '', 0, 0, 'd')",
            "moves has rows of heights that no block has",
        ),
        (
            "INSERT INTO keys VALUES ('mine', 7 << 26, 0, 0)",
            "there are 75 rows of keys, but the transactions make 74",
        ),
        (
            "UPDATE outputs SET spent_by = 9 << 26 WHERE position = 9 << 26",
            "there are 9 outputs that are marked as spent, but the transactions make 7",
        ),
    ],
)
def test_what_concerns_the_file_is_found(path: Path, sql: str, text: str) -> None:
    tamper(path, sql)
    report = verify(path, processes=1)
    assert text in texts(report)
    assert report.sound_to is None


def test_a_block_that_is_wrong_says_up_to_where_all_is_in_order(path: Path) -> None:
    tamper(path, "UPDATE transactions SET sha256 = x'00' WHERE position = 7 << 26")
    tamper(path, "UPDATE blocks SET app_hash = 'x' WHERE height = 11")
    report = verify(path)
    assert [each.height for each in report.findings] == [7, 11, 12]
    assert report.sound_to == 6


def test_an_index_without_its_row_is_found(path: Path) -> None:
    database = apsw.Connection(str(path))
    database.pragma("writable_schema", 1)
    name = "refused_by_transaction_id"
    sql = "SELECT * FROM sqlite_schema WHERE name = ?"
    (entry,) = database.execute(sql, (name,)).fetchall()
    # What is written while nobody knows of the index is not in it.
    database.execute("DELETE FROM sqlite_schema WHERE name = ?", (name,))
    database.execute("PRAGMA writable_schema = RESET")
    database.execute("UPDATE refused SET transaction_id = 'x'")
    database.pragma("writable_schema", 1)
    database.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", entry)
    database.close()
    found = texts(verify(path))
    assert any(f"missing from index {name}" in text for text in found)


def test_damaged_pages_are_found_and_the_rest_is_checked(path: Path) -> None:
    pages = path.stat().st_size // 4096
    damage(path, page=pages * 2 // 3)
    try:
        report = verify(path)
    except LogDamaged as error:
        assert "check" in str(error)
    else:
        assert report.found


@pytest.mark.parametrize(
    ("sql", "error", "text"),
    [
        ("PRAGMA application_id = 1", LogDamaged, "it is not a commit log"),
        ("PRAGMA user_version = 1", LogFromOlderVersion, "version 1, ours is"),
        ("PRAGMA user_version = 99", LogFromNewerVersion, "version 99, ours is"),
    ],
)
def test_what_is_no_log_of_this_release_is_refused(
    path: Path, sql: str, error: type[CommitLogError], text: str
) -> None:
    tamper(path, sql)
    with pytest.raises(error, match=text):
        verify(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="there is no such file"):
        verify(tmp_path / "log.db")
    assert not list(tmp_path.iterdir())
