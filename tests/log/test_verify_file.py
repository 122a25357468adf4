"""What all checks have in common. `test_verify` and `followed/test_verify` use it on whole logs."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.log.tampering import tamper, written
from tests.log.test_file import damage
from trio_stream.log.file import NODE, open_for_reading
from trio_stream.log.verify_file import (
    MOST_FINDINGS,
    Finding,
    Report,
    check_structure,
    differences,
    run_jobs,
)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("count", [0, 3, 12])
def test_all_jobs_are_done_once(processes: int, count: int) -> None:
    jobs = [partial(pow, number, 2) for number in range(count)]
    assert sorted(run_jobs(jobs, processes)) == [number**2 for number in range(count)]


def test_many_jobs_have_processes_of_their_own() -> None:
    numbers = set(run_jobs([os.getpid] * 12, 2))
    assert os.getpid() not in numbers and 1 <= len(numbers) <= 2
    assert set(run_jobs([os.getpid] * 3, 2)) == {os.getpid()}


def test_who_has_enough_may_leave() -> None:
    jobs = run_jobs([os.getpid] * 50, 2)
    assert next(jobs) > 0
    jobs.close()  # type: ignore[attr-defined]  # a generator


def test_a_report_says_up_to_where_all_is_in_order() -> None:
    report = Report(last=9)
    assert report.sound_to == 9
    report.add([Finding(5, "x"), Finding(7, "y")], 40)
    assert (report.found, report.sound_to) == (40, 4)
    report.add([Finding(None, "z")])
    assert report.found == 41
    assert report.sound_to is None


def test_a_file_is_held_against_a_new_one(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    with closing(open_for_reading(path)) as log:
        assert differences(log, NODE) == []
    tamper(path, "DROP VIEW v1_assets", "CREATE TABLE mine (a)")
    with closing(open_for_reading(path)) as log:
        assert [each.text for each in differences(log, NODE)] == [
            "table mine does not belong there",
            "view v1_assets is missing",
        ]


def test_what_sqlite_finds_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert check_structure(path) == ()
    damage(path, page=path.stat().st_size // 4096 // 2)
    found = check_structure(path)
    assert 0 < len(found) <= MOST_FINDINGS
    assert all(each.text.startswith("SQLite finds: ") for each in found)
    path.write_bytes(b"no database")
    assert len(check_structure(path)) == 1
