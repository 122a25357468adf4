"""The command line: its parser, which hands over to one of the `commands`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from trio_stream import __version__
from trio_stream.commands import run, tail


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    return command(parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trio-stream",
        description="A BigchainDB-compatible node with a durable commit-event stream.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    tail.add_to(commands)
    run.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
