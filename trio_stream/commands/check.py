"""`trio-stream check`: whether a log, or a backup of one, is whole.

Status 0: it is. 1: it is not, or can't be read. 2: wrong arguments. It reads only, so a daemon may
run on the data directory.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from trio_stream.commands.data import add_command
from trio_stream.commands.progress import shown
from trio_stream.log.errors import translated
from trio_stream.log.file import FILE_NAME
from trio_stream.log.followed import verify as followed
from trio_stream.log.followed.rows import FOLLOWED
from trio_stream.log.formats import identify, open_any
from trio_stream.log.verify import verify
from trio_stream.log.verify_file import Report

MOST_SHOWN: Final = 50
"""Findings that are printed one by one."""
FOLLOWED_CURE: Final = (
    "To repair it: trio-stream restore a backup, or follow the chain in a new home from the oldest"
    " block on that its nodes still have."
)
MOST_PROCESSES: Final = 256
"""More would be a slip of the finger, and take each some 40 MB of memory."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "check",
        run,
        help="verify a log, or a backup",
        description="Verify the log of a data directory, or a backup: heights, app hashes, ids,"
        " outputs and what spends them, indexes, and all rules with their signatures. Of a"
        " follower's log: heights, hashes of blocks, transactions and results, indexes. A daemon"
        " may run meanwhile.",
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help="a backup to verify instead"
    )
    parser.add_argument(
        "--no-signatures",
        action="store_true",
        help="five times as fast: leave out signatures, other rules, and words",
    )
    parser.add_argument(
        "--no-data-hashes",
        action="store_true",
        help="of a chain whose header commits to something else than transactions (Celestia)",
    )
    parser.add_argument(
        "--processes", metavar="N", type=_count, help="default: one per processor"
    )


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Verify and print what was found; returns the exit status."""
    path: Path = parsed.file or home / FILE_NAME
    began = time.monotonic()
    with shown(f"checking {path}", "transactions") as progress:
        with translated("check", path), closing(open_any(path, "check")) as log:
            is_followed = identify(log, path, "check").format is FOLLOWED
        if is_followed:
            report = followed.verify(
                path,
                data_hashes=not parsed.no_data_hashes,
                processes=parsed.processes,
                progress=progress,
            )
        else:
            report = verify(
                path,
                thorough=not parsed.no_signatures,
                processes=parsed.processes,
                progress=progress,
            )
    for height, text in report.findings[:MOST_SHOWN]:
        print("the file" if height is None else f"block {height}", text, sep=": ")
    if report.found > MOST_SHOWN:
        print(f"and {report.found - MOST_SHOWN} more")
    print(_summary(path, report, time.monotonic() - began))
    if not report.found:
        return 0
    print(FOLLOWED_CURE if is_followed else _cure(report))
    return 1


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_PROCESSES}")
    return int(text)


def _summary(path: Path, report: Report, seconds: float) -> str:
    many = f"{report.transactions:,} transactions"
    if report.last:
        many = f"blocks {report.first} to {report.last}, {many}"
    took = f"in {seconds:.1f} s, {report.transactions / max(seconds, 0.001):,.0f} per second"
    state = f"is NOT whole ({report.found} findings)" if report.found else "is whole"
    return f"{path} {state}: chain {report.chain_id!r}, {many} ({took})"


def _cure(report: Report) -> str:
    replay = "move (do not delete) the data directory away and let the engine replay the chain"
    height = report.sound_to
    if height is None or height < report.first:
        return f"To repair it: trio-stream restore a backup, or {replay} into an empty one."
    return (
        f"All blocks up to {height} are in order. To repair the others, stop the daemon and run"
        f" trio-stream rollback --to-height {height}: the engine replays what is above when both"
        " start again. If it no longer has these blocks, trio-stream restore a backup."
    )
