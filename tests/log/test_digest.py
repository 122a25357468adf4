"""The digest of a log."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.log.tampering import edit, tamper, written
from tests.reference_chain import CHAIN, TIP, commit_reference, txs_of
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Block, Chain, Continued, Tally
from trio_stream.ledger.digest import ChainDigest
from trio_stream.log.digest import digest
from trio_stream.log.errors import LogDamaged
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.rows import rows
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.elections import Validator


def of(path: Path, height: int | None = None) -> str:
    connection = open_for_reading(path)
    try:
        return digest(connection, path, height=height).digest
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, blocks=9)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("reference")
    with CommitLog.open(home) as log:
        commit_reference(log)
    return home / FILE_NAME


def test_it_covers_what_the_log_holds(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_reference(log)
        found = digest(log.connection, log.path)
        assert not log.connection.in_transaction
        chain = log.chain()
        assert chain is not None
        tallies = rows(
            log.connection,
            "SELECT height, id, votes, concluded FROM tallies"
            " JOIN transactions ON position = election",
        )
        sql = "SELECT * FROM validators ORDER BY height, place"
        members = rows(log.connection, sql)
    assert [each for *_, each in tallies].count(1) == 1
    expected = ChainDigest(chain)
    count = 0
    for height, block in enumerate(CHAIN["blocks"], start=1):
        for raw, code in zip(txs_of(height), block["deliver_tx_codes"], strict=True):
            if code == 0:
                expected.add_transaction(raw)
                count += 1
        expected.add_block(
            height,
            block["commit_data_utf8"],
            [Tally(id, int(n), bool(c)) for h, id, n, c in tallies if h == height],
            [Validator(*each[2:]) for each in members if each[0] == height + 1] or None,
        )
    assert found == (expected.hexdigest(), TIP, count)


def test_a_height_stands_for_the_log_as_it_was_then(
    tmp_path: Path, reference: Path
) -> None:
    seen = set()
    for height in range(1, TIP + 1):
        home = tmp_path / str(height)
        with CommitLog.open(home) as log:
            commit_reference(log, height)
        assert of(home / FILE_NAME) == of(reference, height)
        seen.add(of(reference, height))
    assert len(seen) == TIP


def test_what_only_the_engine_said_does_not_count(path: Path) -> None:
    before = of(path)
    tamper(
        path,
        "UPDATE chain SET genesis_seconds = 1",
        "UPDATE blocks SET seconds = 0, nanos = 0, refused = 0",
        "DELETE FROM refused",
        "UPDATE transactions SET sha256 = x'00'",
    )
    edit(path, "SELECT * FROM bodies LIMIT 1", lambda raw: b" " + raw)
    assert of(path) == before


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE chain SET chain_id = 'other'",
        "UPDATE blocks SET app_hash = '' WHERE height = 5",
        "UPDATE tallies SET votes = '0' WHERE height = (SELECT min(height) FROM tallies)",
        "UPDATE tallies SET concluded = 0",
        "DELETE FROM tallies",
        "UPDATE validators SET power = 11 WHERE height = 1",
        "DELETE FROM validators WHERE height > 1",
    ],
)
def test_what_was_decided_counts(tmp_path: Path, reference: Path, sql: str) -> None:
    copy = tmp_path / FILE_NAME
    copy.write_bytes(reference.read_bytes())
    tamper(copy, sql)
    assert of(copy) != of(reference)


def test_progress_is_told_in_transactions(path: Path) -> None:
    seen: list[tuple[int, int]] = []
    connection = open_for_reading(path)
    found = digest(connection, path, progress=lambda *each: seen.append(each))
    connection.close()
    assert seen == sorted(seen)
    assert seen[-1] == (found.transactions, found.transactions)


def test_a_log_that_cannot_be_read_has_no_digest(path: Path) -> None:
    tamper(path, "UPDATE bodies SET raw = x'ff' WHERE position >> 26 = 2")
    with pytest.raises(LogDamaged, match="a transaction of block 2 is not UTF-8"):
        of(path)


def test_a_chain_that_went_on_counts_from_its_first_block_on(path: Path) -> None:
    with CommitLog.open(path.parent) as log:
        tip = log.tip()
        assert tip is not None
        before, first = log.digest(tip.height), tip.height + 1
        begun = set()
        for name in ("next", "other"):
            end = Continued(*tip, before)
            chain = Chain(name, 1, tip.app_hash, first, Time(0, 0), (), end)
            log.begin_chain(chain)
            assert digest(log.connection, log.path).digest == before
        log.append(Block(first, Time(0, 0), tip.app_hash, [], []))
        begun.add(digest(log.connection, log.path).digest)
        log.connection.execute("UPDATE moves SET chain_id = 'next'")
        begun.add(digest(log.connection, log.path).digest)
        assert len(begun - {before}) == 2
        assert digest(log.connection, log.path, height=tip.height).digest == before


def test_sqlites_errors_are_translated(path: Path) -> None:
    connection = apsw.Connection(":memory:")
    with pytest.raises(Exception, match="cannot read .*no such table"):
        digest(connection, path)
    connection.close()
