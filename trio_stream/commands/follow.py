"""`trio-stream follow`: another chain's events, durable and resumable, until a signal ends it."""

from __future__ import annotations

import argparse

from trio_stream import daemon
from trio_stream.commands.flags import add_follow_settings, follow_settings_of
from trio_stream.commands.running import run_daemon
from trio_stream.config import FollowConfig


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "follow",
        help="follow a chain by its nodes' RPC, and serve its events",
        description="Follow a chain of Tendermint or CometBFT by the RPC of any of its nodes:"
        " each block is verified, stored, and streamed with its events, from any position. Runs"
        " until SIGTERM or SIGINT.",
        epilog="See trio-stream help following.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    add_follow_settings(parser)


def run(parsed: argparse.Namespace) -> int:
    """Follow; returns the exit status."""
    return run_daemon(
        lambda: follow_settings_of(parsed).config, daemon.follow, others=_files
    )


def _files(config: FollowConfig) -> int:
    # Requests in flight and one more, a WebSocket that wakes, and one for a large answer; an
    # address may be tried in both families at once.
    return len(config.node) * 2 * (config.in_flight + 3)
