"""`trio-stream help`: a page of the manual, or which pages there are.

On a terminal the page is wrapped to its width. There is no pager: `trio-stream help sql | less`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from difflib import get_close_matches
from typing import Final

from trio_stream.manual import MARKDOWN, TOPICS, page
from trio_stream.manual.terminal import render

WIDEST: Final = 100
"""Longer lines are harder to read, however wide the terminal is."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its argument."""
    parser = commands.add_parser(
        "help",
        allow_abbrev=False,
        help="show a page of the manual",
        description="Show a page of the manual; without a topic, list the pages.",
    )
    parser.add_argument("topic", nargs="?", metavar="TOPIC")
    parser.set_defaults(command=show)


def show(parsed: argparse.Namespace) -> int:
    """Print what is asked for; returns the exit status."""
    topic: str | None = parsed.topic
    if topic is None:
        _write(_contents())
        return 0
    if topic not in TOPICS:
        near = get_close_matches(topic, TOPICS, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        print(
            f"trio-stream: the manual has no page {topic!r}{meant}\n"
            f"Pages: {', '.join(TOPICS)}. For a command: trio-stream COMMAND --help",
            file=sys.stderr,
        )
        return 2
    style = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = min(shutil.get_terminal_size().columns, WIDEST)
    _write(render(MARKDOWN.parse(page(topic)), width=width, style=style))
    return 0


def _contents() -> str:
    longest = max(map(len, TOPICS))
    rows = "".join(f"  {name:{longest}}  {about}\n" for name, about in TOPICS.items())
    return f"trio-stream help TOPIC shows one of these pages:\n\n{rows}"


def _write(text: str) -> None:
    # A terminal that cannot show a drawing's characters shows the words all the same.
    encoding = sys.stdout.encoding or "utf-8"
    text = text.encode(encoding, "replace").decode(encoding)
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        # Whoever reads the pipe has seen enough; Python would flush it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
