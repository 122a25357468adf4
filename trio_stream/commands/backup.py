"""`trio-stream backup`: a copy of the log, made while the daemon runs.

Status 0: it is on disk. 1: it is not there. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from trio_stream.commands.data import add_command
from trio_stream.commands.progress import shown
from trio_stream.log.backup import BYTES_PER_SECOND, back_up
from trio_stream.log.file import FILE_NAME

MIB: Final = 1 << 20


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "backup",
        run,
        help="copy the log while the daemon runs",
        description="Copy the log, as it is after its newest block, into a new file. The daemon"
        " may run meanwhile; blocks are hardly delayed.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="must not exist yet")
    parser.add_argument(
        "--rate",
        metavar="MIB",
        type=_rate,
        default=BYTES_PER_SECOND // MIB,
        help="mebibytes per second at most (default: %(default)s)",
    )


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Make the backup; returns the exit status."""
    target: Path = parsed.file
    with shown(f"copying to {target}", "bytes") as progress:
        made = back_up(
            home / FILE_NAME,
            target,
            bytes_per_second=parsed.rate * MIB,
            progress=progress,
        )
    print(
        f"{target}: chain {made.chain_id!r} up to block {made.height}, {made.size:,} bytes."
        f" To verify it: trio-stream check {target}"
    )
    return 0


def _rate(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number of mebibytes, at least 1")
    return int(text)
