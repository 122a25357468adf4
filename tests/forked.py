"""Processes that begin at once: they are forked from one that has imported everything."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from trio_stream.__main__ import main

# The command line imports its commands when it is called.
_PRELOADED = ["tests.forked", "tests.history", "trio_stream.commands.run"]


def forking() -> ForkServerContext:
    """Starts them."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def run_in_fork(
    arguments: Sequence[str], said: Path, *, seconds: float
) -> tuple[int, str]:
    """Run our command line in a process of its own: its status and what it wrote to stderr."""
    process: ForkServerProcess = forking().Process(
        target=_command, args=(list(arguments), said)
    )
    process.start()
    try:
        process.join(seconds)
        assert process.exitcode is not None, "it did not end"
    finally:
        process.kill()
    return process.exitcode, said.read_text()


def _command(arguments: Sequence[str], said: Path) -> None:
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.exit(main(arguments))
