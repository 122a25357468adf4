"""`trio-stream tail`: prints a stream, a line an event, for people and for pipes.

It follows the stream with `client.iterate`, since a terminal or a pipe may hold up a print for
as long as it likes: the thread behind goes on answering the server, and Ctrl-C gets through.
A line that has been written counts as processed; one at which Ctrl-C came may be printed again.

Status 0: the end that was asked for, Ctrl-C, or nobody reads any more. 2: arguments or a position
that a server refuses. 1: anything else.
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

# Each save takes milliseconds, a line microseconds. When it waits, all is saved.
_SAVE_EVERY: Final = 1_000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    tail = commands.add_parser(
        "tail",
        allow_abbrev=False,
        help="print a stream's events",
        description="Print a stream's events as they come, over lost connections and"
        " restarts. Several URLs are servers of one chain, each as good as another.",
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
            help="only these; may be given several times",
        )
    beginning = tail.add_mutually_exclusive_group()
    beginning.add_argument(
        "--after",
        metavar="PLACE",
        help="a position, a transaction's id, or earliest (default: from now on)",
    )
    beginning.add_argument(
        "--from-height", metavar="HEIGHT", type=int, help="from this block on"
    )
    tail.add_argument(
        "--until", metavar="tip|HEIGHT", type=_until, help="end after this block"
    )
    tail.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        help="keep the position here; if it has one, go on from there",
    )
    tail.add_argument("--json", action="store_true", help="print the messages")
    tail.add_argument("--detail", choices=["position", "full"], default="position")
    tail.add_argument(
        "--empty-blocks", action="store_true", help="of valid_blocks: print all"
    )
    tail.add_argument(
        "--quiet", action="store_true", help="do not tell of reconnecting"
    )
    tail.set_defaults(command=run)


def run(given: argparse.Namespace) -> int:
    """Print the stream; returns the exit status."""
    logging.basicConfig(
        level=logging.ERROR if given.quiet else logging.WARNING,
        format="trio-stream: %(message)s",
        stream=sys.stderr,
    )
    # A supervisor's way to ask for an end is as good as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = json.dumps if given.json else readable
    try:
        _print(given.urls, _options(given), line, sys.stdout)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Whoever read it has enough. Python would flush once more at its end, and complain.
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
    # A reason quotes what a stranger wrote, and a terminal obeys some of that.
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
        checkpoint_every=_SAVE_EVERY,
    )


def _print(
    urls: list[str], options: Options, line: Callable[[Event], str], out: TextIO
) -> None:
    with iterate(urls, **options) as events:
        for event in events:
            # Flushed, or a position could be saved whose line is lost.
            print(line(event), file=out, flush=True)


def _until(text: str) -> int | Literal["tip"]:
    if text == "tip":
        return "tip"
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"tip or a height, not {text!r}")
    return int(text)
