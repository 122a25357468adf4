"""Whether a log is whole: its file, its tables and indexes, and every block in it.

Blocks are checked in ranges (`verify_blocks`). Only reads are made: a daemon may use the log
meanwhile, and the check is of what was committed when it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from trio_stream.ledger.block import RULES
from trio_stream.log.chunk_readers import processors
from trio_stream.log.errors import CommitLogError, translated
from trio_stream.log.file import NODE, open_for_reading, open_log
from trio_stream.log.rows import position_key, row, rows
from trio_stream.log.verify_blocks import Checked, check_blocks
from trio_stream.log.verify_file import (
    Finding,
    Report,
    check_structure,
    differences,
    run_jobs,
)
from trio_stream.log.verify_moves import check_moves
from trio_stream.stream.position import END_OF_BLOCK

RANGE_TRANSACTIONS: Final = 2_000
"""In one range at least, unless it has `RANGE_BLOCKS`: half a second of work."""
RANGE_BLOCKS: Final = 5_000

_BOUNDED: Final = (
    ("tallies", "height", 0),
    ("validators", "height", 1),
    ("moves", "initial_height", 1),
)
"""Tables with heights, and how far above the newest block these may be."""


class Span(NamedTuple):
    """A range of heights, and how many transactions its blocks accepted."""

    first: int
    last: int
    accepted: int


def verify(
    path: Path,
    *,
    thorough: bool = True,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check the log in this file; `progress` gets numbers of transactions, done and in all.

    `thorough`: signatures and all other rules too, and the index of words. Raises `CommitLogError`
    if the file is not a log of this release, or can't be read at all.
    """
    report = Report()
    done: list[tuple[int, Checked]] = []
    with translated("check", path), closing(open_log(path, "check")) as connection:
        with connection:
            report.add(differences(connection, NODE))
            spans = _plan(connection, report)
    total = sum(span.accepted for span in spans)
    jobs: list[Callable[[], tuple[int, Checked]]] = [partial(_check_file, path)]
    jobs.append(partial(_check_moves, path))
    for span in spans:
        jobs.append(partial(_check_span, path, span, thorough))
    progress(0, total)
    for last, checked in run_jobs(jobs, processes or processors()):
        done.append((last, checked))
        report.transactions += checked.transactions
        report.add(checked.findings, checked.found)
        progress(min(report.transactions, total), total)
    with translated("check", path), closing(open_for_reading(path)) as connection:
        report.add(_surplus(connection, report, done))
    report.findings.sort(key=lambda each: (each.height or 0, each.text))
    return report


def _plan(connection: apsw.Connection, report: Report) -> list[Span]:
    """The ranges to check; what is wrong around them goes into the report."""
    chain = row(connection, "SELECT chain_id, initial_height, rules FROM chain")
    first, last = rows(connection, "SELECT min(height), max(height) FROM blocks")[0]
    if chain is not None:
        report.chain_id, report.first, rules = chain
        if rules != RULES:
            report.add([Finding(None, f"its chain follows unknown rules {rules}")])
    elif last is not None:
        report.add([Finding(None, "the table chain is empty")])
        report.first = first
    report.last = last or 0
    span = position_key(report.first, 0), position_key(report.last, END_OF_BLOCK)
    for table in ("transactions", "bodies", "outputs", "refused"):
        sql = f"SELECT 1 FROM {table} WHERE position < ? OR position > ? LIMIT 1"
        if row(connection, sql, *span):
            text = f"{table} has rows of heights that no block has"
            report.add([Finding(None, text)])
    for table, column, end in _BOUNDED:
        sql = f"SELECT 1 FROM {table} WHERE {column} < ? OR {column} > ? LIMIT 1"
        if row(connection, sql, report.first, max(report.last + end, report.first)):
            report.add(
                [Finding(None, f"{table} has rows of heights that no block has")]
            )
    if last is None:
        return []
    return list(_spans(connection, report.first, last))


def _spans(connection: apsw.Connection, first: int, tip: int) -> Iterator[Span]:
    blocks = accepted = work = 0
    sql = "SELECT height, accepted, refused FROM blocks WHERE height >= ? ORDER BY 1"
    for height, took, refused in connection.execute(sql, (first,)):
        blocks += 1
        accepted += took
        work += took + refused
        if work >= RANGE_TRANSACTIONS or blocks == RANGE_BLOCKS or height == tip:
            yield Span(first, height, accepted)
            first, blocks, accepted, work = height + 1, 0, 0, 0


def _check_file(path: Path) -> tuple[int, Checked]:
    """What is wrong with the file, which stands for no height."""
    findings = check_structure(path)
    return 0, Checked(0, 0, 0, findings, len(findings))


def _check_moves(path: Path) -> tuple[int, Checked]:
    try:
        with closing(open_for_reading(path, mapped=True)) as connection:
            findings = tuple(check_moves(connection, path))
    except (apsw.Error, CommitLogError) as error:
        findings = (Finding(None, f"its chains can't be read: {error}"),)
    return 0, Checked(0, 0, 0, findings, len(findings))


def _check_span(path: Path, span: Span, thorough: bool) -> tuple[int, Checked]:
    first, last, _ = span
    try:
        with closing(open_for_reading(path, mapped=True)) as connection:
            return last, check_blocks(connection, path, first, last, thorough=thorough)
    except (apsw.Error, CommitLogError) as error:
        finding = Finding(first, f"to {last} can't be read: {error}")
        return last, Checked(0, 0, 0, (finding,), 1)


def _surplus(
    connection: apsw.Connection, report: Report, done: Sequence[tuple[int, Checked]]
) -> list[Finding]:
    """Rows that no transaction asks for; each that one asks for has been looked up.

    They are counted up to where all blocks are in order: a transaction that can't be read asks for
    none.
    """
    wrong = [each.height for each in report.findings if each.height is not None]
    sound = min(wrong, default=report.last + 1)
    parts = [(last, checked) for last, checked in done if 0 < last < sound]
    end = position_key(max([last for last, _ in parts], default=0), END_OF_BLOCK)
    found = []
    for sql, expected, what in (
        ("keys WHERE position <= ?", sum(c.keys for _, c in parts), "rows of keys"),
        (
            "outputs WHERE spent_by <= ?",
            sum(c.spends for _, c in parts),
            "outputs that are marked as spent",
        ),
    ):
        ((count,),) = rows(connection, f"SELECT count(*) FROM {sql}", end)
        if count != expected:
            text = f"there are {count} {what}, but the transactions make {expected}"
            found.append(Finding(None, text))
    return found
