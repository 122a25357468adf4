"""What commands that work on a data directory have in common: which one, and how they fail.

Status 2 stands for wrong arguments, 1 for anything else that goes wrong. Either is one line.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from trio_stream.config import ConfigError, load
from trio_stream.log.errors import CommitLogError


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    work: Callable[[argparse.Namespace, Path], int],
    *,
    help: str,
    description: str,
) -> argparse.ArgumentParser:
    """Add a command that gets its arguments and the data directory; returns its parser."""
    parser = commands.add_parser(
        name, allow_abbrev=False, help=help, description=description
    )
    parser.add_argument(
        "--home", metavar="DIR", help="data directory (default: that of `run`)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="the configuration that `run` is started with, which may name it",
    )

    def run(parsed: argparse.Namespace) -> int:
        logging.basicConfig(
            level=logging.WARNING, format="trio-stream: %(message)s", stream=sys.stderr
        )
        # SIGTERM, from a supervisor or a timer, ends it like Ctrl-C: nothing half done is left.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            home = load({"home": parsed.home}, os.environ, file=parsed.config).home
        except ConfigError as error:
            return failed(error, 2)
        try:
            return work(parsed, home)
        except CommitLogError as error:
            return failed(error)
        except KeyboardInterrupt:
            return failed("interrupted", 130)

    parser.set_defaults(command=run)
    return parser


def failed(why: object, status: int = 1) -> int:
    """Say why a command ends; returns the status to end with."""
    print(f"trio-stream: {why}", file=sys.stderr)
    return status
