"""A log that is rolled back is, row by row, the one that ended at that height."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from scripts.signing import create, encode, transfer
from tests.history import assert_whole, commit_blocks
from tests.ledger.chains import ALICE, CHAIN_ID, TIME, new_engine
from tests.log.tampering import tamper, written
from tests.voting import GENESIS, KEYS, election, migration, vote
from trio_stream.ledger.block import Block, Chain, Continued
from trio_stream.log.errors import CannotRollBack, LogInUse, LogMissing
from trio_stream.log.file import FILE_NAME
from trio_stream.log.moves import mark_imported
from trio_stream.log.rollback import roll_back
from trio_stream.log.verify import verify
from trio_stream.log.writer import CommitLog


def everything(home: Path) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """All rows, those of the index of words as terms with their places."""
    connection = apsw.Connection(str(home / FILE_NAME))
    connection.execute(
        "CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, texts, instance)"
    )
    tables = (
        "chain moves validators blocks transactions bodies outputs keys refused tallies"
    ).split()
    for table in (*tables, "texts_docsize"):
        yield table, connection.execute(
            f"SELECT * FROM {table} ORDER BY 1, 2"
        ).fetchall()
    sql = "SELECT term, doc, col, offset FROM temp.v ORDER BY 1, 2, 3, 4"
    yield "words", connection.execute(sql).fetchall()
    connection.close()


def write(home: Path, blocks: int) -> Path:
    """A log in which blocks spend what earlier ones made, with words, refusals and elections.

    A new set of validators is decided on in every fourth block.
    """
    with CommitLog.open(home) as log:
        engine = new_engine(store=log)
        engine.init_chain(validators=GENESIS)
        assets = [
            create(ALICE, data={"name": f"the red bicycle number{n} of {n % 3}"})
            for n in range(8)
        ]
        opened = election(KEYS[0], power=10)
        for height in range(1, blocks + 1):
            moved = transfer(assets[height // 2], ALICE, metadata={"at": f"x{height}"})
            if height % 4 == 1:
                opened = election(KEYS[0], power=10, seed=str(height))
            engine.block(
                encode(vote(opened, KEYS[height % 4]) if height % 4 != 1 else opened),
                *([encode(assets[height // 2])] if height % 2 == 0 else []),
                encode(moved),
                b"nonsense",
            )
    return home / FILE_NAME


@pytest.mark.parametrize("height", [11, 6, 1, 0])
def test_it_is_as_it_was_at_that_height(tmp_path: Path, height: int) -> None:
    path = write(tmp_path / "home", 12)
    write(tmp_path / "then", height)
    seen: list[tuple[int, int]] = []
    done = roll_back(path.parent, height, removing=lambda *n: seen.append(n))

    assert dict(everything(path.parent)) == dict(everything(tmp_path / "then"))
    assert done.height_before == 12
    assert seen[0] == (0, done.transactions)
    assert seen[-1] == (done.transactions, done.transactions)
    report = verify(path)
    assert (report.last, report.found) == (height, 0)
    assert done.kept is not None
    assert done.kept.parent == path.parent


def test_the_chain_goes_on_from_there(tmp_path: Path) -> None:
    written(tmp_path, 12)
    roll_back(tmp_path, 7)
    assert assert_whole(tmp_path) == 7
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 9)
    assert assert_whole(tmp_path) == 16


def test_a_copy_of_the_log_as_it_was_stays_there(tmp_path: Path) -> None:
    path = written(tmp_path, 12)
    seen: list[tuple[int, int]] = []
    done = roll_back(tmp_path, 7, copying=lambda *numbers: seen.append(numbers))
    assert seen
    assert done.kept is not None
    done.kept.replace(path)
    assert assert_whole(tmp_path) == 12


def test_no_copy_is_made_if_none_is_wanted(tmp_path: Path) -> None:
    written(tmp_path, 12)
    assert roll_back(tmp_path, 7, keep=False).kept is None
    assert {each.name for each in tmp_path.iterdir()} == {FILE_NAME, "lock"}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE bodies SET raw = x'7b7d' WHERE position >> 26 = 8",
        "DELETE FROM bodies WHERE position >> 26 = 8",
        "UPDATE transactions SET sha256 = x'00' WHERE position >> 26 = 8",
    ],
)
def test_what_was_edited_goes_away_with_its_words(tmp_path: Path, sql: str) -> None:
    path = write(tmp_path / "home", 12)
    write(tmp_path / "then", 7)
    tamper(path, sql)
    assert verify(path).sound_to == 7
    roll_back(path.parent, 7)
    assert dict(everything(path.parent)) == dict(everything(tmp_path / "then"))


def test_what_was_edited_below_stays_for_a_check_to_find(tmp_path: Path) -> None:
    path = write(tmp_path / "home", 12)
    tamper(path, "UPDATE bodies SET raw = x'7b7d' WHERE position >> 26 IN (4, 10)")
    roll_back(path.parent, 7)
    assert verify(path).sound_to == 3


@pytest.mark.parametrize("height", [-1, 12, 13])
def test_a_height_that_it_does_not_have_is_refused(tmp_path: Path, height: int) -> None:
    written(tmp_path, 12)
    with pytest.raises(CannotRollBack, match="it has the blocks 1 to 12"):
        roll_back(tmp_path, height)
    assert {each.name for each in tmp_path.iterdir()} == {FILE_NAME, "lock"}
    assert assert_whole(tmp_path) == 12


def test_a_log_without_a_block_is_refused(tmp_path: Path) -> None:
    written(tmp_path, 0)
    with pytest.raises(CannotRollBack, match="it has no block"):
        roll_back(tmp_path, 0)


def test_a_directory_without_a_log_stays_without_one(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="there is no such file"):
        roll_back(tmp_path / "home", 0)
    assert not list(tmp_path.iterdir())


def test_a_running_daemon_is_left_alone(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 5)
        with pytest.raises(LogInUse, match=f"process {os.getpid()}"):
            roll_back(tmp_path, 3)
    assert assert_whole(tmp_path) == 5


@pytest.mark.parametrize(
    ("height", "name"), [(13, "next"), (12, "next"), (11, CHAIN_ID)]
)
def test_it_goes_back_over_a_move(tmp_path: Path, height: int, name: str) -> None:
    path = write(tmp_path / "home", 12)
    write(tmp_path / "then", min(height, 12))
    with CommitLog.open(path.parent) as log:
        tip = log.tip()
        assert tip is not None
        end = Continued(12, tip.app_hash, log.digest(12))
        log.begin_chain(Chain("next", 1, tip.app_hash, 13, TIME, (), end))
        for block in 13, 14:
            log.append(Block(block, TIME, tip.app_hash, [], []))
    roll_back(path.parent, height, keep=False)
    report = verify(path)
    assert (report.last, report.found) == (height, 0)
    with CommitLog.open(path.parent) as log:
        chain = log.chain()
    assert chain is not None
    assert chain.chain_id == name
    if height < 12:
        # No migration concluded, so the log was imported: it waits again, as it did there.
        with CommitLog.open(tmp_path / "then") as log:
            mark_imported(log.connection)
        assert dict(everything(path.parent)) == dict(everything(tmp_path / "then"))


def test_a_chain_goes_on_if_its_migration_is_taken_back(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        engine, opened = new_engine(store=log), migration()
        engine.init_chain(validators=GENESIS)
        engine.block(encode(opened))
        app_hash = engine.block(*(encode(vote(opened, key)) for key in KEYS))[1]
        end = Continued(2, app_hash, "d" * 64)
        log.begin_chain(Chain("next", 1, app_hash, 3, TIME, (), end))
        log.append(Block(3, TIME, app_hash, [], []))
    roll_back(tmp_path, 1, keep=False)
    with CommitLog.open(tmp_path) as log:
        assert not log.is_imported()
        assert log.migrated_at() == 0
        new_engine(store=log).block()
