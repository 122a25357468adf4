"""`trio-stream export`: the whole chain in a file that other nodes can import.

Status 0: it is on disk. 1: it is not there. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trio_stream.commands.data import add_command
from trio_stream.commands.progress import shown
from trio_stream.log.export import export
from trio_stream.log.file import FILE_NAME


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "export",
        run,
        help="write the chain to a file that can be imported",
        description="Write all blocks of the log to a new file, for trio-stream import, and print"
        " the digest of their history, for operators to compare. The daemon may run meanwhile.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="must not exist yet")
    add_height(parser)


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Write the export; returns the exit status."""
    target: Path = parsed.file
    with shown(f"exporting to {target}", "transactions") as progress:
        made = export(
            home / FILE_NAME, target, height=parsed.to_height, progress=progress
        )
    print(
        f"{target}: chain {made.chain_id!r}, blocks {made.first} to {made.height},"
        f" {made.transactions:,} transactions, {made.size:,} bytes."
    )
    say_digest(made.height, made.digest)
    return 0


def add_height(parser: argparse.ArgumentParser) -> None:
    """Add the option that ends an export or an import before the last block."""
    parser.add_argument(
        "--to-height",
        metavar="HEIGHT",
        type=int,
        help="the last block (default: the newest)",
    )


def say_digest(height: int, digest: str) -> None:
    """Print what all operators have to agree on."""
    print(f"height: {height}")
    print(f"digest: {digest}")
