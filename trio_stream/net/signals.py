"""What each signal means to the daemon: it stops, or goes on and says so.

Without a handler most signals end a process at once: no drain, and no line in the log. So every
one that would is caught. Those that ask for an end, or announce one, bring about an orderly stop.
The rest mean nothing here: settings are read once, at the start, and the log goes to standard
error, so there is nothing to read again and no file to reopen. Left to the system are signals
that cannot be caught, that report a fault of the program itself, and that control jobs.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator

import trio

logger = logging.getLogger(__name__)

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGXCPU)

_LEFT_TO_THE_SYSTEM = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSTOP),
        # A fault of the program: going on is not possible, and a core may be wanted.
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
        *(signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
        # Job control, and what does no harm.
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),
        *(signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH),
        # Python turns these into errors of the call that caused them.
        *(signal.SIGPIPE, signal.SIGXFSZ),
    }
)


def ends(*, at_terminal: bool) -> frozenset[int]:
    """The signals that stop the daemon in good order.

    SIGHUP is one of them for a daemon that somebody runs in a terminal, where it says that
    the terminal was closed, unless `nohup` asked for life after that. Elsewhere it is a
    custom for "read your settings again".
    """
    hangs_up = at_terminal and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return frozenset({*_ENDS, signal.SIGHUP} if hangs_up else _ENDS)


def ignored(*, at_terminal: bool) -> frozenset[int]:
    """The signals that would end the process and change nothing here."""
    others = (
        signal.valid_signals() - _LEFT_TO_THE_SYSTEM - ends(at_terminal=at_terminal)
    )
    return frozenset(int(number) for number in others)


async def report(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    """Say of each signal that it changes nothing, until `scope` is cancelled."""
    with scope:
        async for number in signals:
            logger.warning(
                "%s is ignored: settings are read at the start, and the log goes to"
                " standard error; SIGTERM stops the daemon in good order",
                name(number),
            )


async def cancel_on(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    """At the next signal, cancel `scope`."""
    await anext(signals)
    logger.warning("second signal: stopping at once")
    scope.cancel()


def name(number: int) -> str:
    """What a signal is called; most real-time signals have numbers alone."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
