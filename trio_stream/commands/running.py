"""How a daemon is run by a command: settings, logging, `trio.run`, exit status.

Status 0: an orderly stop. 2: a setting that cannot be used. 1: anything else. An error that
ends the daemon is logged as one line with a hint, not as a traceback, unless it is a bug of ours.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import trio

from trio_stream.access.tokens import TokensError
from trio_stream.commands.open_files import SeldomAndShort, fit
from trio_stream.config import ConfigError, DoorSettings
from trio_stream.follower.troubles import Stopped
from trio_stream.log.errors import CommitLogError
from trio_stream.net import heap, logs
from trio_stream.net.tls import CertificateError

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=DoorSettings)

SWITCH_INTERVAL = 0.00005
"""Seconds after which a thread that wants the interpreter gets it. A pass over the clients makes
one system call per client and may lose the interpreter to the thread that commits each time; with
Python's 5 ms it would wait that long for each."""

GC_THRESHOLDS = (1_000, 4, 25_000)
"""When garbage is collected. A collection runs between two steps of the event loop. A small one
takes a millisecond or two, however many clients come at once, and frees the reference cycles that
libraries make in a request. A full one visits everything alive: up to 90 us per subscriber (1,000
of them: 90 ms), and 37 ms for what the start made, if that were not frozen. Anyone who posts much
JSON could make it due at will: a list of 500,000 lists is 125 collections of the middle kind. So
it runs very seldom, and that is safe: requests, refused ones included, leave no cycles
(tests/test_garbage.py)."""


def run_daemon(
    read: Callable[[], C],
    daemon: Callable[[C], Awaitable[None]],
    *,
    others: Callable[[C], int],
) -> int:
    """Run the daemon with the settings that `read` finds; returns the exit status.

    `others` counts the files that it needs beside those of its doors.
    """
    logs.set_up()
    try:
        config = read()
    except ConfigError as error:
        print(f"trio-stream: {error}", file=sys.stderr)
        return 2
    logs.set_up(config.log_format)
    logs.set_level(config.log_level)
    logging.getLogger("trio.serve_listeners").addFilter(SeldomAndShort())
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    heap.return_large_pieces()
    status = 0
    try:
        trio.run(daemon, fit(config, others=others(config)))
    except* (ConfigError, CertificateError, TokensError) as group:
        status = _report(group, 2)
    except* (CommitLogError, Stopped, OSError) as group:
        status = _report(group, 1)
    except* KeyboardInterrupt:  # before the daemon caught signals itself
        status = 130
    return status


def _report(group: BaseExceptionGroup[BaseException], status: int) -> int:
    for leaf in _leaves(group):
        logger.critical("%s", leaf)
    return status


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
