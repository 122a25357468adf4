"""Rows are read side by side, and looked up in batches of which each missing row is found."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.history import accepted_of, asset_of, commit_blocks
from tests.log.tampering import tamper
from trio_stream.log.file import open_for_reading
from trio_stream.log.rows import Row
from trio_stream.log.verify_rows import BATCH, KEYS, SPENDS, Wanted, entries, strays
from trio_stream.log.writer import CommitLog

ALL = 0, 1 << 62


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 9)
    return log.path


def test_entries_have_all_that_the_log_has(path: Path) -> None:
    with closing(open_for_reading(path)) as connection:
        found = list(entries(connection, *ALL))
    documents = [each for height in range(1, 10) for each in accepted_of(height)]
    assert [each.id for each in found] == [each["id"] for each in documents]
    for entry, document in zip(found, documents, strict=True):
        assert entry.operation == document["operation"]
        assert entry.asset_id == document["asset"].get("id", document["id"])
        assert entry.raw is not None
        assert [(index, str(amount)) for index, amount, _ in entry.outputs] == [
            (index, each["amount"]) for index, each in enumerate(document["outputs"])
        ]


def test_entries_are_those_of_a_range(path: Path) -> None:
    with closing(open_for_reading(path)) as connection:
        found = list(entries(connection, 7 << 26, 8 << 26))
    assert [each.at for each in found] == [
        (7 << 26) + index for index in (0, 2, 3, 4, 5)
    ] + [8 << 26]


def test_an_output_of_no_transaction_shifts_no_other(path: Path) -> None:
    tamper(path, "DELETE FROM transactions WHERE position = 7 << 26")
    with closing(open_for_reading(path)) as connection:
        first, *_ = entries(connection, 7 << 26, 8 << 26)
        assert len(first.outputs) == len(accepted_of(7)[1]["outputs"])
        assert strays(connection, *ALL) == [(7, "bodies"), (7, "outputs")]


def looked_up(path: Path, join: str, wanted: list[Row]) -> list[Row]:
    """Those of the rows that are missing."""
    missing: list[Row] = []
    with closing(open_for_reading(path)) as connection:
        columns = len(wanted[0])
        rows = Wanted(connection, join, columns, lambda at, row: missing.append(row))
        for row in wanted:
            rows.ask(1, row)
        rows.flush()
        rows.flush()
        assert rows.count == len(wanted)
    return missing


@pytest.mark.parametrize("repeat", [1, BATCH, BATCH + 1])
def test_missing_rows_are_found_in_any_batch(path: Path, repeat: int) -> None:
    with closing(open_for_reading(path)) as connection:
        keys = connection.execute("SELECT * FROM keys").fetchall()
    there = [(key, at, index, stands) for key, at, index, stands in keys][:5]
    absent = ("nobody", 5, 0, 0)
    assert looked_up(path, KEYS, there * repeat) == []
    assert looked_up(path, KEYS, [*there * repeat, absent, *there]) == [absent]


def test_a_spend_must_come_after_what_it_spends(path: Path) -> None:
    spent, spender = asset_of(6)["id"], (7 << 26) + 2
    assert looked_up(path, SPENDS, [(spent, 0, spender)]) == []
    wrong = [(spent, 1, spender), (spent, 0, spender + 1), (spent, 0, 5 << 26)]
    assert looked_up(path, SPENDS, wrong) == wrong
    tamper(path, "UPDATE outputs SET spent_by = 1 WHERE spent_by = :at", at=spender)
    assert looked_up(path, SPENDS, [(spent, 0, 1)]) == [(spent, 0, 1)]
