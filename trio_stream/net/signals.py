"""What each signal means to the daemon: an orderly stop, reading files again, or a line in the log.

Without a handler most signals end a process at once, undrained and without a line in the log. So
all of those are caught. Signals that ask for an end, or announce one, cause an orderly stop. One
changes the log level, and SIGHUP makes the daemon read certificates and tokens again. The others
mean nothing here: settings are read once, at the start, and the log goes to standard error, so no
file has to be reopened. Signals that can't be caught, that report a bug in the program itself, or
that control jobs are left to the system.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

import trio

logger = logging.getLogger(__name__)

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGXCPU)

LEVEL: Final = signal.SIGUSR1
"""Changes the log level (`net.logs`)."""

_LEFT_TO_THE_SYSTEM = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSTOP),
        # A bug in the program: it can't go on, and somebody may want the core dump.
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
        *(signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
        # Job control, and signals that are harmless.
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),
        *(signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH),
        # Python turns these into errors of the call that caused them.
        *(signal.SIGPIPE, signal.SIGXFSZ),
    }
)


def ends(*, at_terminal: bool) -> frozenset[int]:
    """The signals that stop the daemon in good order.

    SIGHUP is one of them if the daemon runs in a terminal, where it says that the terminal was
    closed, unless `nohup` asked to survive that. Elsewhere it means "read your files again".
    """
    hangs_up = at_terminal and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return frozenset({*_ENDS, signal.SIGHUP} if hangs_up else _ENDS)


def reloads(*, at_terminal: bool) -> frozenset[int]:
    """The signals at which certificates and tokens are read again."""
    return frozenset((signal.SIGHUP,)) - ends(at_terminal=at_terminal)


def ignored(*, at_terminal: bool) -> frozenset[int]:
    """The signals that would end the process if not caught, and that mean nothing here."""
    others = signal.valid_signals() - _LEFT_TO_THE_SYSTEM - {LEVEL}
    others -= ends(at_terminal=at_terminal) | reloads(at_terminal=at_terminal)
    return frozenset(int(number) for number in others)


async def report(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    """Log each signal as ignored, until `scope` is cancelled."""
    with scope:
        async for number in signals:
            logger.warning(
                "%s is ignored: settings are read only at the start, and the log goes to"
                " standard error; to stop the daemon in good order send SIGTERM",
                name(number),
            )


@contextmanager
def receiver(numbers: Collection[int]) -> Iterator[AsyncIterator[int]]:
    """As `trio.open_signal_receiver`, also if there are no signals to receive."""
    if numbers:
        with trio.open_signal_receiver(*numbers) as received:
            yield received
    else:
        yield _nothing()


async def _nothing() -> AsyncIterator[int]:
    await trio.sleep_forever()
    yield 0  # pragma: no cover  # never comes


async def call_on(
    signals: AsyncIterator[int], reload: Callable[[], None], scope: trio.CancelScope
) -> None:
    """Call `reload` at each signal, until `scope` is cancelled."""
    with scope:
        async for number in signals:
            logger.info("%s: reading certificates and tokens again", name(number))
            reload()


async def cancel_on(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    """At the next signal, cancel `scope`."""
    await anext(signals)
    logger.warning("second signal: stopping at once")
    scope.cancel()


def name(number: int) -> str:
    """What a signal is called; most real-time signals have only a number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
