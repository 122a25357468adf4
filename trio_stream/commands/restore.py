"""`trio-stream restore`: put a backup in the place of the log, which stays beside it.

Status 0: done. 1: nothing has changed. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trio_stream.commands.data import add_command
from trio_stream.commands.progress import shown
from trio_stream.log.backup import restore


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "restore",
        run,
        help="put a backup in the place of the log",
        description="Put a backup in the place of the log. No daemon may run on the data"
        " directory. Nothing is deleted: the log that was there gets another name.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="what backup has made")


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Restore the backup; returns the exit status."""
    source: Path = parsed.file
    with shown(f"restoring {source}", "bytes") as progress:
        done = restore(source, home, progress=progress)
    now, before = done.now, done.height_before
    print(f"{home} now has the log of chain {now.chain_id!r} up to block {now.height}.")
    if done.before is not None:
        height = "which can't be read" if before is None else f"up to block {before}"
        print(f"The log that was there, {height}, is {done.before} now.")
    if before is None or before > now.height:
        print(
            f"The blocks above {now.height} are asked of the nodes again at the next start."
            if now.is_followed
            else f"When the engine starts, it replays the blocks above {now.height} that it has."
        )
    return 0
