"""Whether the log of a followed chain is whole: its file, its heights, and every block in it.

As `log.verify` does for a node's log: blocks are checked in ranges (`verify_blocks`), by several
processes, and only reads are made. A follower may go on meanwhile: what comes after the check began
does not count, nor does what is dropped meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from trio_stream.log.chunk_readers import processors
from trio_stream.log.errors import CommitLogError, translated
from trio_stream.log.file import open_for_reading, open_log
from trio_stream.log.followed.rows import FOLLOWED
from trio_stream.log.followed.verify_blocks import Checked, check_blocks
from trio_stream.log.rows import row, rows
from trio_stream.log.verify_file import (
    Finding,
    Report,
    check_structure,
    differences,
    run_jobs,
)
from trio_stream.stream.position import END_OF_BLOCK, key_of

RANGE_TRANSACTIONS: Final = 1_000
"""In one range at least, unless it has `RANGE_BLOCKS`: a second of work."""
RANGE_BLOCKS: Final = 1_000


class Span(NamedTuple):
    """A range of heights, and how many transactions its blocks have."""

    first: int
    last: int
    transactions: int


class Piece(NamedTuple):
    """What one job found: of the blocks up to `last`, or of the file if that is 0."""

    last: int
    checked: Checked


def verify(
    path: Path,
    *,
    data_hashes: bool = True,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check the log in this file; `progress` gets numbers of transactions, done and in all.

    `data_hashes`: whether `data_hash` is the transactions' own, which Celestia's is not. Raises
    `CommitLogError` if the file is not a follower's log of this release, or can't be read at all.
    """
    report = Report()
    with translated("check", path), closing(_open(path)) as connection, connection:
        report.add(differences(connection, FOLLOWED))
        spans = _plan(connection, report)
        oldest = report.first
    total = sum(span.transactions for span in spans)
    jobs: list[Callable[[], Piece]] = [partial(_check_file, path)]
    jobs += (partial(_check_span, path, span, data_hashes) for span in spans)
    progress(0, total)
    done: list[Piece] = []
    for piece in run_jobs(jobs, processes or processors()):
        done.append(piece)
        report.transactions += piece.checked.transactions
        report.add(piece.checked.findings, piece.checked.found)
        progress(min(report.transactions, total), total)
    with translated("check", path), closing(_open(path)) as connection, connection:
        now = row(connection, "SELECT oldest FROM chain")
        # What was dropped meanwhile has been counted, or not.
        if not report.found and now == (oldest,):
            report.add(list(_surplus(connection, report.last, done)))
    report.findings.sort(key=lambda each: (each.height or 0, each.text))
    return report


def _open(path: Path) -> apsw.Connection:
    return open_log(path, "check", formats=(FOLLOWED,))


def _plan(connection: apsw.Connection, report: Report) -> list[Span]:
    """The ranges to check; what is wrong around them goes into the report."""
    chain = row(connection, "SELECT chain_id, first, oldest FROM chain")
    if chain is None:
        if row(connection, "SELECT 1 FROM blocks UNION SELECT 1 FROM gaps"):
            report.add([Finding(None, "the table chain is empty")])
        return []
    report.chain_id, first, report.first = chain
    if not 1 <= first <= report.first:
        report.add(
            [Finding(None, f"its oldest block is {report.first}, its first {first}")]
        )
    report.add(list(_holes(connection, report)))
    span = key_of(report.first, 0), key_of(report.last, END_OF_BLOCK)
    for table, column, low, high in (
        ("transactions", "position", *span),
        ("transaction_bodies", "position", *span),
        ("block_bodies", "height", report.first, report.last),
    ):
        sql = f"SELECT 1 FROM {table} WHERE {column} < ? OR {column} > ? LIMIT 1"
        if row(connection, sql, low, high):
            text = f"{table} has rows of heights that no block has"
            report.add([Finding(None, text)])
    return list(_spans(connection))


def _holes(connection: apsw.Connection, report: Report) -> Iterator[Finding]:
    """Heights that are neither blocks nor gaps, or both; finds the newest one."""
    report.last, expected = report.first - 1, report.first
    sql = (
        "SELECT first, last FROM gaps UNION ALL"
        " SELECT min(height), max(height) FROM"
        " (SELECT height, height - row_number() OVER (ORDER BY height) AS island FROM blocks)"
        " GROUP BY island ORDER BY 1"
    )
    for first, last in connection.execute(sql):
        if first > expected:
            yield Finding(expected, f"blocks {expected} to {first - 1} are missing")
        elif first < expected:
            yield Finding(first, "it is there twice, or below the oldest block")
        expected = max(expected, last + 1)
    report.last = expected - 1


def _spans(connection: apsw.Connection) -> Iterator[Span]:
    first = last = None
    blocks = transactions = 0
    for height, count in connection.execute(
        "SELECT height, transactions FROM blocks ORDER BY height"
    ):
        first, last = first or height, height
        blocks += 1
        transactions += count
        if transactions >= RANGE_TRANSACTIONS or blocks == RANGE_BLOCKS:
            yield Span(first, last, transactions)
            first, blocks, transactions = None, 0, 0
    if first is not None and last is not None:
        yield Span(first, last, transactions)


def _check_file(path: Path) -> Piece:
    findings = check_structure(path)
    return Piece(0, Checked(0, 0, 0, findings, len(findings)))


def _check_span(path: Path, span: Span, data_hashes: bool) -> Piece:
    first, last, _ = span
    try:
        with closing(open_for_reading(path, mapped=True)) as connection:
            checked = check_blocks(connection, first, last, data_hashes=data_hashes)
    except (apsw.Error, CommitLogError) as error:
        finding = Finding(first, f"to {last} can't be read: {error}")
        checked = Checked(0, 0, 0, (finding,), 1)
    return Piece(last, checked)


def _surplus(
    connection: apsw.Connection, last: int, done: Sequence[Piece]
) -> Iterator[Finding]:
    """Rows of the index that no event makes; each that one makes has been looked up."""
    end = key_of(last, END_OF_BLOCK)
    for table, expected in (
        ("events", sum(piece.checked.types for piece in done)),
        ("attributes", sum(piece.checked.attributes for piece in done)),
    ):
        sql = f"SELECT count(*) FROM {table} WHERE position <= ?"
        ((count,),) = rows(connection, sql, end)
        if count != expected:
            text = f"there are {count} rows of {table}, but the events make {expected}"
            yield Finding(None, text)
