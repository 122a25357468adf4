"""The command line: arguments to settings, logging, `trio.run`, exit status.

Status 0 is an orderly stop, 2 a setting or argument that cannot be used, 1 anything
else. What ends the daemon is told in one line with a hint, not in a traceback, unless it
is a fault of ours.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import trio

from trio_stream import __version__, daemon
from trio_stream.commands import tail
from trio_stream.commands.open_files import SeldomAndShort, fit
from trio_stream.config import ConfigError, load
from trio_stream.log.errors import CommitLogError
from trio_stream.net import heap

logger = logging.getLogger(__name__)

# A pass over the clients makes one system call each and may lose the interpreter at
# each to the state machine's thread; with Python's 5 ms it would wait that long every
# time.
SWITCH_INTERVAL = 0.00005

# A collection stands between two steps of the event loop. A small one takes a millisecond or
# two, however many clients come at once, and frees rings that libraries make in a request. A
# full one looks at all that lives: up to 90 us a subscriber (1,000 of them: 90 ms), and 37 ms for
# what the start made, if that were not frozen. Whoever posts much JSON could make it due at
# will: a list of 500,000 lists is 125 collections of the middle kind. So it is wanted very
# seldom, and it may be: requests leave no ring (tests/test_garbage.py), refused ones neither.
GC_THRESHOLDS = (1_000, 4, 25_000)

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    return command(parsed)


def _run(parsed: argparse.Namespace) -> int:
    """Run the node; returns the exit status."""
    given = vars(parsed)
    given.pop("command")
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)
    try:
        config = load(given, os.environ, file=given.pop("config"))
    except ConfigError as error:
        print(f"trio-stream: {error}", file=sys.stderr)
        return 2
    logging.root.setLevel(config.log_level)
    logging.getLogger("trio.serve_listeners").addFilter(SeldomAndShort())
    # The libraries' own lines would say each request once more.
    for library in ("trio-websocket", "hypercorn", "quart"):
        logging.getLogger(library).setLevel(max(logging.WARNING, logger.root.level))
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    heap.return_large_pieces()
    status = 0
    try:
        trio.run(daemon.run, fit(config))
    except* ConfigError as group:
        status = _tell(group, 2)
    except* (CommitLogError, OSError) as group:
        status = _tell(group, 1)
    except* KeyboardInterrupt:  # before there was somebody to take the signal
        status = 130
    return status


def _tell(group: BaseExceptionGroup[BaseException], status: int) -> int:
    for leaf in _leaves(group):
        logger.critical("%s", leaf)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trio-stream",
        description="A BigchainDB-compatible node with a durable commit-event stream.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    tail.add_to(commands)
    run = commands.add_parser(
        "run", help="run the node until SIGTERM or SIGINT", allow_abbrev=False
    )
    run.set_defaults(command=_run)
    run.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML, or BigchainDB's JSON"
    )
    for flag, metavar, text in (
        ("--home", "DIR", "data directory (default: ./trio_stream_data)"),
        (
            "--abci",
            "ADDRESS",
            "tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:26658)",
        ),
        ("--stream", "HOST:PORT", "WebSocket door (default: localhost:9985)"),
        ("--api", "HOST:PORT", "HTTP door (default: localhost:9984)"),
        ("--node", "URL", "the consensus node's RPC (default: http://localhost:26657)"),
        (
            "--log-level",
            "LEVEL",
            "debug, info, warning, error or critical (default: info)",
        ),
    ):
        run.add_argument(flag, metavar=metavar, help=text)
    return parser


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
