"""`trio-stream import`: a log made from an export, or from a dump of BigchainDB's database.

Status 0: the log is there. 1: it is not. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trio_stream.commands.data import add_command
from trio_stream.commands.export import add_height, say_digest
from trio_stream.commands.progress import shown
from trio_stream.log.imports import import_log


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "import",
        run,
        help="make a log from an export, or from a dump of BigchainDB's database",
        description="Make the log of a data directory that has none from what trio-stream export"
        " has written, or from what mongodump or mongoexport has written of BigchainDB's database."
        " Every block is judged again, and the digest of their history is printed, for operators"
        " to compare. If anything is wrong, no log is made.",
    )
    parser.add_argument(
        "source",
        metavar="FILE",
        type=Path,
        help="an export, or a dump: file or directory",
    )
    add_height(parser)
    parser.add_argument(
        "--no-signatures",
        action="store_true",
        help="twice as fast: leave out signatures, if whoever made the file is trusted",
    )
    parser.add_argument(
        "--same-chain",
        action="store_true",
        help="let the chain's own engine go on with the log, rather than another chain",
    )


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Make the log; returns the exit status."""
    source: Path = parsed.source
    with shown(f"importing {source}", "transactions") as progress:
        made = import_log(
            source,
            home,
            height=parsed.to_height,
            signatures=not parsed.no_signatures,
            same_chain=parsed.same_chain,
            progress=progress,
        )
    print(
        f"{home} now has the log of chain {made.chain_id!r}, blocks {made.first} to"
        f" {made.height}, {made.transactions:,} transactions."
    )
    say_digest(made.height, made.digest)
    return 0
