"""What a check of any log has to do: its file, what is found, and work for several processes.

The file's structure is SQLite's business, and is compared with what a new log has. What the blocks
hold is checked in ranges, by several processes, since Python uses one processor per process.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import apsw

from trio_stream.log.file import Format, open_for_reading, run
from trio_stream.log.rows import rows

MOST_FINDINGS: Final = 20
"""Findings of one range that are kept: where one row is wrong, thousands may be."""
IN_PROGRESS: Final = 2
"""Ranges per process that are begun: one is checked, one waits so that no process does."""
_NICE: Final = 10

T = TypeVar("T")

_COMMENT = re.compile(r"--[^\n]*")


class Finding(NamedTuple):
    """Something that is wrong with the log."""

    height: int | None
    """The block that it concerns; None if it concerns the file."""
    text: str


@dataclass(slots=True)
class Report:
    """What was checked, and what is wrong."""

    chain_id: str = ""
    first: int = 0
    last: int = 0
    """The newest block; 0 if there is none."""
    transactions: int = 0
    findings: list[Finding] = field(default_factory=list)
    """In the order of the blocks; of each range of blocks the first `MOST_FINDINGS`."""
    found: int = 0
    """How many findings there are."""

    def add(self, findings: Sequence[Finding], found: int | None = None) -> None:
        """Take these in, and count `found`, or all of these."""
        self.findings += findings
        self.found += len(findings) if found is None else found

    @property
    def sound_to(self) -> int | None:
        """All blocks up to this height are in order; None if something concerns the file."""
        heights = [each.height for each in self.findings if each.height is not None]
        if len(heights) < len(self.findings):
            return None
        return min(heights, default=self.last + 1) - 1


def differences(connection: apsw.Connection, format: Format) -> list[Finding]:
    """What the file's schema has, or lacks, that a new log's has not, or has."""
    with closing(apsw.Connection(":memory:")) as new:
        run(new, format.schema.read_text(encoding="utf-8"))
        run(new, format.views.read_text(encoding="utf-8"))
        ours = _schema(new)
    found = _schema(connection)
    texts = [f"{name} is missing" for name in ours.keys() - found.keys()]
    texts += [f"{name} does not belong there" for name in found.keys() - ours.keys()]
    for name in ours.keys() & found.keys():
        if ours[name] != found[name]:
            texts.append(f"{name} is another one than this release makes")
    return [Finding(None, text) for text in sorted(texts)]


def _schema(connection: apsw.Connection) -> dict[str, str]:
    sql = "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'"
    # The text is as it was written, comments included, which change with releases.
    return {
        name: " ".join(_COMMENT.sub("", text or "").split())
        for name, text in rows(connection, sql)
    }


def check_structure(path: Path) -> tuple[Finding, ...]:
    """What SQLite finds: pages, and each index against its table."""
    sql = f"PRAGMA integrity_check({MOST_FINDINGS})"
    try:
        with closing(open_for_reading(path, mapped=True)) as connection:
            said = [text for (text,) in rows(connection, sql) if text != "ok"]
    except apsw.Error as error:
        said = [str(error)]
    return tuple(Finding(None, f"SQLite finds: {text}") for text in said)


def run_jobs(jobs: Sequence[Callable[[], T]], processes: int) -> Iterator[T]:
    """What the jobs return, in any order."""
    if processes == 1 or len(jobs) <= 3:
        yield from (job() for job in jobs)
        return
    waiting = iter(jobs)
    # A new interpreter: what this one holds (threads, connections) does not survive a fork.
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_begin
    ) as pool:
        running: set[Future[T]] = set()
        try:
            while True:
                free = processes * IN_PROGRESS - len(running)
                running |= {pool.submit(job) for job in islice(waiting, free)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:  # pragma: no cover  # in processes of their own
    """Be a process that checks: Ctrl-C ends the one that asked, and daemons come first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
