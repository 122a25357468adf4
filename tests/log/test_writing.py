"""The writing end of a file with any tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trio_stream.log.errors import LogDamaged, LogInUse, LogReplaced
from trio_stream.log.file import NODE, value
from trio_stream.log.writing import WritingEnd


@pytest.fixture
def other(tmp_path):
    """A format with one table."""
    schema, views = tmp_path / "schema.sql", tmp_path / "views.sql"
    schema.write_text("CREATE TABLE numbers (number INTEGER) STRICT;")
    views.write_text("CREATE VIEW v1_numbers AS SELECT number FROM numbers;")
    return replace(NODE, application_id=77, version=1, schema=schema, views=views)


@pytest.fixture
def end(tmp_path, other):
    end = WritingEnd.open(tmp_path / "home", {}, format=other)
    yield end
    end.close()


def numbers(end):
    return end.connection.execute("SELECT number FROM v1_numbers").fetchall()


def test_a_transaction_is_kept_as_a_whole(end):
    with end.transaction("write to") as execute:
        execute("INSERT INTO numbers VALUES (1)")
        execute("INSERT INTO numbers VALUES (2)")
    assert numbers(end) == [(1,), (2,)]
    assert end.wal_bytes > 0


def test_nothing_is_kept_of_one_that_fails(end):
    with pytest.raises(LogDamaged), end.transaction("write to") as execute:
        execute("INSERT INTO numbers VALUES (1)")
        execute("INSERT INTO numbers VALUES ('one')")
    assert numbers(end) == []
    with pytest.raises(ValueError, match="no number"), end.transaction("write to"):
        raise ValueError("no number")
    assert not end.between_blocks.locked()


def test_the_directory_is_held(end, tmp_path, other):
    with pytest.raises(LogInUse):
        WritingEnd.open(tmp_path / "home", {}, format=other)


def test_a_file_of_another_format_is_refused(end, tmp_path):
    assert value(end.connection, "PRAGMA application_id") == 77
    end.close()
    with pytest.raises(LogDamaged, match="another program's"):
        WritingEnd.open(tmp_path / "home", {})


def test_nothing_is_written_into_a_file_that_was_removed(end):
    end.path.unlink()
    with pytest.raises(LogReplaced), end.transaction("write to"):
        raise AssertionError("it is not entered")


def test_a_transaction_that_sqlite_ended_itself_is_not_ended_twice(end):
    with pytest.raises(ValueError, match="x"), end.transaction("write to") as execute:
        execute("ROLLBACK")
        raise ValueError("x")
