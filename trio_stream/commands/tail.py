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
        " .../valid_blocks or .../refused_transactions",
    )
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


def readable(event: Event) -> str:
    """A line for people."""
    line = _line(event)
    # A reason quotes what a stranger wrote, which may hold control sequences of terminals.
    return line if line.isprintable() else json.dumps(line)[1:-1]


def _line(event: Event) -> str:
    place = f"{event['position']}  {event.get('time', '')}"
    if "transaction_ids" in event:
        return f"{place}  {len(event['transaction_ids'])} transactions  {event['hash']}"
    if "error" in event:
        name = event["transaction_id"] or f"tx_hash {event['tx_hash']}"
        return f"{place}  {name}  {event['error']}: {event['reason']}"
    operation = event.get("transaction", {}).get("operation", "")
    asset = event["asset_id"]
    of = "" if asset == event["transaction_id"] else f"  of asset {asset}"
    return f"{place}  {operation:{10 if operation else 0}}{event['transaction_id']}{of}"


def _options(given: argparse.Namespace) -> Options:
    return Options(
        after=given.after,
        from_height=given.from_height,
        until=given.until,
        asset_id=given.asset_id,
        public_key=given.public_key,
        operation=given.operation,
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
