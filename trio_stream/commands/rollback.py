"""`trio-stream rollback`: take the newest blocks out of the log, for the engine to replay.

Status 0: done. 1: nothing has changed. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trio_stream.commands.data import add_command
from trio_stream.commands.progress import shown
from trio_stream.log.rollback import roll_back


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "rollback",
        run,
        help="take the newest blocks out of the log",
        description="Take all blocks above a height out of the log. An engine that has them"
        " replays them when both start again. No daemon may run on the data directory. A copy of"
        " the log as it was stays beside it.",
    )
    parser.add_argument(
        "--to-height",
        metavar="HEIGHT",
        type=int,
        required=True,
        help="the newest block that stays",
    )
    parser.add_argument(
        "--no-copy",
        action="store_true",
        help="keep no copy: only if the engine, or a backup, has the blocks",
    )


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Roll the log back; returns the exit status."""
    height: int = parsed.to_height
    with (
        shown("copying the log", "bytes") as copying,
        shown("rolling back", "transactions") as removing,
    ):
        done = roll_back(
            home,
            height,
            keep=not parsed.no_copy,
            copying=copying,
            removing=removing,
        )
    print(
        f"The log in {home} ends at block {height} now, after {done.height_before} before:"
        f" {done.transactions:,} transactions were taken out."
    )
    if done.kept is not None:
        print(
            f"{done.kept} is a copy of it as it was; trio-stream restore puts it back."
        )
    print(f"When the engine starts, it replays the blocks above {height} that it has.")
    return 0
