"""`trio-stream run`: the node, until a signal ends it."""

from __future__ import annotations

import argparse

from trio_stream import daemon
from trio_stream.commands.flags import add_settings, settings_of
from trio_stream.commands.running import run_daemon
from trio_stream.engine.places import MAX_CONNECTIONS


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "run", help="run the node until SIGTERM or SIGINT", allow_abbrev=False
    )
    parser.set_defaults(command=run)
    add_settings(parser)


def run(parsed: argparse.Namespace) -> int:
    """Run the node; returns the exit status."""
    return run_daemon(
        lambda: settings_of(parsed).config, daemon.run, others=lambda _: MAX_CONNECTIONS
    )
