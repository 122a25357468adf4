"""A log that an earlier release wrote becomes what this release would have written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from scripts.signing import create, encode
from tests.history import assert_whole, commit_blocks
from tests.ledger.chains import ALICE, new_engine
from tests.test_output_keys import DOCUMENTS
from trio_stream.log import migrations
from trio_stream.log.file import APPLICATION_ID, FILE_NAME, SCHEMA_VERSION, run
from trio_stream.log.writer import CommitLog

SCHEMA_1 = Path(__file__).parent.parent / "schema_1.sql"
COPIED = (
    "chain",
    "validators",
    "blocks",
    "transactions",
    "bodies",
    "outputs",
    "refused",
)


def write(home: Path) -> None:
    """A log of this release with odd keys and much text in it."""
    with CommitLog.open(home) as log:
        commit_blocks(log, 12)
        engine = new_engine(store=log)
        engine.block(*map(encode, DOCUMENTS[:50]))
        engine.block(encode(create(ALICE, data={"a": "the tries of Zürich's_lie"})))


def write_1(old: Path, new: Path) -> None:
    """The file that version 1 would have written for what is in the log `new`."""
    old.mkdir()
    connection = apsw.Connection(str(old / FILE_NAME))
    run(connection, SCHEMA_1.read_text(encoding="utf-8"))
    run(
        connection, f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1"
    )
    run(connection, f"ATTACH '{new / FILE_NAME}' AS new")
    with connection:
        for table in COPIED:
            run(connection, f"INSERT INTO main.{table} SELECT * FROM new.{table}")
        # There were no others.
        run(connection, "INSERT INTO keys SELECT * FROM new.keys WHERE in_details < 2")
    connection.close()


def everything(home: Path) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The schema and all rows, including those of the index of words."""
    connection = apsw.Connection(str(home / FILE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
    schema: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    yield "schema", schema
    for kind, name, *_ in schema:
        # Where the index keeps its words depends on the order of writing.
        if kind == "table" and not name.startswith("texts"):
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()
            yield name, sorted(rows, key=repr)
    run(
        connection,
        "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, texts, instance)",
    )
    words = connection.execute("SELECT * FROM words ORDER BY term, doc, col, offset")
    yield "words", words.fetchall()
    yield "version", connection.execute("PRAGMA user_version").fetchall()
    connection.close()


def test_a_log_of_version_1_becomes_what_would_be_written_now(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    write(new)
    write_1(old, new)
    assert dict(everything(old)) != dict(everything(new))
    CommitLog.open(old).close()
    assert dict(everything(old)) == dict(everything(new))
    assert dict(everything(old))["version"] == [(SCHEMA_VERSION,)]
    assert "indexed again" in caplog.text


def test_a_long_migration_says_how_far_it_has_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(migrations, "SAY_SECONDS", 0)
    with CommitLog.open(tmp_path / "new") as log:
        commit_blocks(log, 2)
    write_1(tmp_path / "old", tmp_path / "new")
    CommitLog.open(tmp_path / "old").close()
    lines = [
        each
        for each in caplog.messages
        if "transactions are indexed" in each and each[0].isdigit()
    ]
    assert lines[:2] == [
        "0 of 6 transactions are indexed",
        "1 of 6 transactions are indexed",
    ]


def test_a_migrated_log_goes_on(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    with CommitLog.open(new) as log:
        commit_blocks(log, 3)
    write_1(old, new)
    with CommitLog.open(old) as log:
        commit_blocks(log, 2)
    assert assert_whole(old) == 5


def as_of_version_2(home: Path, *statements: str) -> None:
    """Make a log that has no elections what version 2 would have written."""
    connection = apsw.Connection(str(home / FILE_NAME))
    run(connection, "DROP TABLE tallies; DROP TABLE moves; PRAGMA user_version = 2")
    for sql in statements:
        run(connection, sql)
    connection.close()


def test_a_log_of_version_2_has_room_for_elections(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    before = dict(everything(tmp_path))
    as_of_version_2(tmp_path)
    CommitLog.open(tmp_path).close()
    assert dict(everything(tmp_path)) == before
    assert caplog.messages == []


def test_a_log_that_refused_elections_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    as_of_version_2(
        tmp_path,
        "INSERT INTO refused VALUES (7, x'00', NULL, 'OperationNotSupported', '')",
    )
    CommitLog.open(tmp_path).close()
    (message,) = caplog.messages
    assert message.startswith("1 elections or votes were refused by the release")
