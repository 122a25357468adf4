"""A check of a follower's log: its file, its heights, and the index as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.follower.chain import MadeChain
from tests.log.followed.whole import OLDEST, TIP, block_of, written
from tests.log.tampering import tamper
from tests.log.test_file import damage
from trio_stream.cometbft.followed import Gap
from trio_stream.log.errors import LogDamaged, LogFromNewerVersion, LogOfOtherKind
from trio_stream.log.file import FILE_NAME
from trio_stream.log.followed import verify as verify_module
from trio_stream.log.followed.index import ALL, FLAGGED, NOTHING, IndexedKeys
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.verify import verify
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.verify_file import Report
from trio_stream.log.writer import CommitLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "RANGE_TRANSACTIONS", 3)
    monkeypatch.setattr(verify_module, "RANGE_BLOCKS", 2)


def texts(report: Report) -> list[tuple[int | None, str]]:
    assert report.found == len(report.findings)
    return [(each.height, each.text) for each in report.findings]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_log_as_it_was_written_is_whole(
    path: Path, processes: int, short_ranges: None
) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(
        path, processes=processes, progress=lambda *numbers: seen.append(numbers)
    )
    assert texts(report) == []
    assert (report.chain_id, report.first, report.last) == ("made", OLDEST, TIP)
    total = sum(height % 3 for height in range(OLDEST, TIP + 1))
    assert report.transactions == total
    assert (seen[0], seen[-1]) == ((0, total), (total, total))


@pytest.mark.parametrize(
    "keys", [FLAGGED, ALL, NOTHING, IndexedKeys(frozenset({"block.height"}))]
)
def test_what_is_not_indexed_is_not_missed(tmp_path: Path, keys: IndexedKeys) -> None:
    chain = MadeChain(TIP)
    path = written(tmp_path, chain, keys=keys, last=6)
    # The setting may be another one at each start.
    with FollowedLog.open(tmp_path) as log:
        for height in range(7, TIP + 1):
            log.append(block_of(chain, height))
    assert texts(verify(path)) == []


@pytest.mark.parametrize(
    "names", [[("a.b", "c"), ("a", "b.c")], [("a.", ""), ("a", ".")]]
)
def test_types_and_keys_that_make_one_name_are_indexed_once(
    tmp_path: Path, names: list[tuple[str, str]]
) -> None:
    chain = MadeChain(TIP)
    chain.results[5]["finalize_block_events"] = [
        {"type": kind, "attributes": [{"key": key, "value": "v", "index": True}]}
        for kind, key in names
    ]
    path = written(tmp_path, chain)
    assert texts(verify(path)) == []
    tamper(path, "DELETE FROM attributes WHERE value = 'v'")
    assert len(texts(verify(path))) == 1


def test_gaps_belong_to_it(tmp_path: Path, short_ranges: None) -> None:
    chain = MadeChain(TIP)
    path = written(tmp_path, chain, last=4)
    with FollowedLog.open(tmp_path) as log:
        log.gap(Gap(5, 7, "pruned", ""))
        log.append(block_of(chain, 8), block_of(chain, 9))
        log.gap(Gap(10, 10, "discarded", ""))
    report = verify(path)
    assert texts(report) == []
    assert report.last == 10


def test_a_log_that_is_new_is_whole(tmp_path: Path) -> None:
    with FollowedLog.open(tmp_path) as log:
        path = log.path
    report = verify(path)
    assert texts(report) == []
    assert (report.chain_id, report.last) == ("", 0)


def test_it_may_grow_and_be_pruned_while_it_is_checked(
    tmp_path: Path, short_ranges: None
) -> None:
    chain = MadeChain(TIP + 40)
    path = written(tmp_path, chain)
    with FollowedLog.open(tmp_path, keep=Keep(blocks=5)) as log:
        heights = iter(range(TIP + 1, TIP + 40))

        def goes_on(done: int, total: int) -> None:
            log.append(block_of(chain, next(heights)))
            log.prune()

        report = verify(path, processes=1, progress=goes_on)
        assert texts(report) == []
        assert report.last == TIP
    assert texts(verify(path)) == []


@pytest.mark.parametrize(
    ("sql", "height", "text"),
    [
        (
            "DROP INDEX transactions_by_hash",
            None,
            "index transactions_by_hash is missing",
        ),
        ("DROP VIEW v1_gaps", None, "view v1_gaps is missing"),
        ("DELETE FROM chain", None, "the table chain is empty"),
        (
            "UPDATE chain SET first = 9",
            None,
            "its oldest block is 2, its first 9",
        ),
        (
            "DELETE FROM blocks WHERE height BETWEEN 4 AND 6",
            4,
            "blocks 4 to 6 are missing",
        ),
        (
            "INSERT INTO gaps VALUES (4, 6, 'pruned', '')",
            4,
            "it is there twice, or below the oldest block",
        ),
        (
            "UPDATE chain SET oldest = 4",
            2,
            "it is there twice, or below the oldest block",
        ),
        (
            "INSERT INTO block_bodies VALUES (99, x'00')",
            None,
            "block_bodies has rows of heights that no block has",
        ),
        (
            "INSERT INTO events SELECT id, 4 << 26 FROM types WHERE name = 'block'",
            None,
            "there are 22 rows of events, but the events make 21",
        ),
        (
            "INSERT INTO attributes SELECT id, 'x', 4 << 26 FROM keys LIMIT 1",
            None,
            "there are 22 rows of attributes, but the events make 21",
        ),
    ],
)
def test_what_concerns_the_file_is_found(
    path: Path, sql: str, height: int | None, text: str
) -> None:
    tamper(path, sql)
    assert (height, text) in texts(verify(path, processes=1))


def test_damaged_pages_are_found(path: Path) -> None:
    damage(path, page=path.stat().st_size // 4096 * 2 // 3)
    try:
        report = verify(path)
    except LogDamaged as error:
        assert "check" in str(error)
    else:
        assert report.found


def test_what_is_no_log_of_a_follower_is_refused(path: Path, tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "node"), pytest.raises(LogOfOtherKind):
        verify(tmp_path / "node" / FILE_NAME)
    tamper(path, "PRAGMA user_version = 99")
    with pytest.raises(LogFromNewerVersion):
        verify(path)
