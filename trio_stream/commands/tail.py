"""`trio-stream tail`: prints a stream, one line per event, for people and for pipes.

It follows the stream with `client.iterate`, because a terminal or a pipe may hold up a print for as
long as it likes: the thread behind it goes on answering the server, and Ctrl-C gets through. An
event counts as processed once its line is written; one interrupted by Ctrl-C may be printed again.

Status 0: the requested end, Ctrl-C, or the reader of the pipe has gone. 2: bad arguments, or a
position that the server refuses. 1: anything else.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TextIO

from trio_stream.client import (
    CheckpointError,
    Event,
    Options,
    Refused,
    StreamError,
    iterate,
)
from trio_stream.commands.tail_lines import readable
from trio_stream.commands.token_file import add_token_file, read_token

_SAVE_EVERY: Final = 1_000
"""Events between two saves of the position, which take milliseconds while a line takes
microseconds. Whenever it waits for events, the position is saved too."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    tail = commands.add_parser(
        "tail",
        allow_abbrev=False,
        help="print a stream's events",
        description="Print a stream's events as they come, reconnecting as often as needed."
        " If several URLs are given, they must be servers of one chain; any of them is used.",
    )
    tail.add_argument(
        "urls",
        nargs="+",
        metavar="URL",
        help="ws://HOST:PORT, or with a path: /api/v1/streams/valid_transactions,"
        " .../valid_blocks or .../refused_transactions; of a followed chain"
        " .../transactions, .../blocks or .../events",
    )
    tail.add_argument(
        "--stream",
        metavar="NAME",
        help="the stream, if the URL has no path: valid_transactions (the default),"
        " valid_blocks, refused_transactions; transactions, blocks, events",
    )
    _add_filters(tail)
    beginning = tail.add_mutually_exclusive_group()
    beginning.add_argument(
        "--after",
        metavar="PLACE",
        help="start after this position or transaction id, or from earliest (default: now)",
    )
    beginning.add_argument(
        "--from-height", metavar="HEIGHT", type=int, help="start at this block"
    )
    tail.add_argument(
        "--until", metavar="tip|HEIGHT", type=_until, help="end after this block"
    )
    tail.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        help="save the position in this file, and go on from the one it holds",
    )
    add_token_file(tail)
    tail.add_argument("--json", action="store_true", help="print the messages as JSON")
    tail.add_argument("--detail", choices=["position", "full"], default="position")
    tail.add_argument(
        "--empty-blocks",
        action="store_true",
        help="valid_blocks: print empty blocks too",
    )
    tail.add_argument(
        "--quiet", action="store_true", help="do not report reconnections"
    )
    tail.set_defaults(command=run)


def _add_filters(tail: argparse.ArgumentParser) -> None:
    for name, metavar in (
        ("--asset-id", "ID"),
        ("--public-key", "KEY"),
        ("--operation", "NAME"),
    ):
        tail.add_argument(
            name,
            metavar=metavar,
            action="append",
            default=[],
            help="only events with this value, or one of these if given several times",
        )
    tail.add_argument(
        "--query",
        metavar="QUERY",
        action="append",
        default=[],
        help="followed chains: only what this holds of, in CometBFT's language,"
        " or one of these if given several times",
    )
    for name in ("sender", "recipient", "contract", "action"):
        tail.add_argument(
            f"--{name}",
            metavar="NAME" if name == "action" else "ADDRESS",
            action="append",
            default=[],
            help=f"followed chains: only what has this {name} by the common keys of the"
            " Cosmos SDK, or one of these",
        )
    tail.add_argument(
        "--match",
        choices=["any", "event"],
        help="followed chains: whether conditions may hold in different events (any,"
        " the default), or all must hold in one",
    )


def run(given: argparse.Namespace) -> int:
    """Print the stream; returns the exit status."""
    logging.basicConfig(
        level=logging.ERROR if given.quiet else logging.WARNING,
        format="trio-stream: %(message)s",
        stream=sys.stderr,
    )
    # SIGTERM, from a supervisor, ends it like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = json.dumps if given.json else readable
    try:
        _print(given.urls, _options(given), line, sys.stdout)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # The reader has gone. Python would flush once more at its exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, CheckpointError, Refused) as error:
        print(f"trio-stream: {error}", file=sys.stderr)
        return 2
    except (OSError, StreamError) as error:
        print(f"trio-stream: {error}", file=sys.stderr)
        return 1
    return 0


def _options(given: argparse.Namespace) -> Options:
    return Options(
        stream=given.stream,
        after=given.after,
        from_height=given.from_height,
        until=given.until,
        asset_id=given.asset_id,
        public_key=given.public_key,
        operation=given.operation,
        query=given.query,
        sender=given.sender,
        recipient=given.recipient,
        contract=given.contract,
        action=given.action,
        match=given.match,
        detail=given.detail,
        empty_blocks=given.empty_blocks,
        checkpoint=given.state,
        token=None if given.token_file is None else read_token(given.token_file),
        checkpoint_every=_SAVE_EVERY,
    )


def _print(
    urls: list[str], options: Options, line: Callable[[Event], str], out: TextIO
) -> None:
    with iterate(urls, **options) as events:
        for event in events:
            # Flushed, so that no position is saved whose line could still be lost.
            print(line(event), file=out, flush=True)


def _until(text: str) -> int | Literal["tip"]:
    if text == "tip":
        return "tip"
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be tip or a height, not {text!r}")
    return int(text)
