"""`trio-stream log-level`: set the log level of a daemon that runs.

The daemon is found by its data directory, whose lock names its process. See `net.logs` for how it
is asked.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from trio_stream.config import ConfigError, load
from trio_stream.log.file import holder_of
from trio_stream.net.logs import LEVELS, WISH

PATIENCE: Final = 5.0
"""Seconds for the daemon to answer; it does so between two steps of its event loop."""
_LOOK_SECONDS = 0.02


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "log-level",
        help="set the log level of a daemon that runs on this machine",
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    levels = [level.lower() for level in LEVELS]
    parser.add_argument(
        "level", choices=levels, metavar="LEVEL", help=", ".join(levels)
    )
    parser.add_argument("--home", metavar="DIR", help="the daemon's data directory")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="the daemon's configuration file"
    )


def run(parsed: argparse.Namespace) -> int:
    """Set the level; returns the exit status."""
    try:
        home = load({"home": parsed.home}, os.environ, file=parsed.config).home
    except ConfigError as error:
        print(f"trio-stream: {error}", file=sys.stderr)
        return 2
    problem = ask(home, parsed.level)
    if problem:
        print(f"trio-stream: {problem}", file=sys.stderr)
        return 1
    print(f"the log level is now {parsed.level}")
    return 0


def ask(home: Path, level: str, *, patience: float = PATIENCE) -> str:
    """Ask the daemon of this data directory; returns what went wrong, or nothing."""
    try:
        process = holder_of(home)
        if process is None:
            return f"no daemon runs on the data directory {home}"
        wish = home / WISH
        part = home / f"{WISH}.part"
        part.write_text(level, encoding="ascii")
        part.replace(wish)
        os.kill(process, signal.SIGUSR1)
    except OSError as error:
        return f"the daemon of {home} could not be asked: {error}"
    give_up = time.monotonic() + patience
    while wish.exists():
        if time.monotonic() > give_up:
            wish.unlink(missing_ok=True)
            return (
                f"the daemon (process {process}) did not answer within {patience:g} s"
            )
        time.sleep(_LOOK_SECONDS)
    return ""
