"""What systemd is told: the node is ready, is stopping, is alive, and how it is doing.

The protocol of sd_notify(3): lines of NAME=value in one datagram, sent to the Unix socket that
$NOTIFY_SOCKET names. Without that variable nothing is sent. A datagram is never waited for: if the
supervisor does not take it now, the next one will say the same.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import trio

logger = logging.getLogger(__name__)

STATUS_PERIOD: Final = 10.0
"""Seconds between two reports at most; a watchdog may ask for more of them."""
_MOST_STATUS: Final = 500


@dataclass(frozen=True, slots=True)
class Notifier:
    """Sends reports to a supervisor, if there is one."""

    address: str | None = None
    """A path, or a name in Linux's abstract namespace if it begins with `@`."""
    watchdog: float | None = None
    """For how many seconds there may be no sign of life."""

    def ready(self, status: str) -> None:
        """The start is over."""
        self._send("READY=1", f"STATUS={status[:_MOST_STATUS]}")

    def stopping(self) -> None:
        """The stop has begun."""
        self._send("STOPPING=1", "STATUS=stopping")

    async def run(self, status: Callable[[], str], scope: trio.CancelScope) -> None:
        """Give signs of life until `scope` is cancelled; returns at once if nobody wants any.

        They come from the event loop, so they cease if it stands still.
        """
        if self.address is None:
            return
        life = [] if self.watchdog is None else ["WATCHDOG=1"]
        # At half of the time, as sd_watchdog_enabled(3) recommends.
        period = min(STATUS_PERIOD, (self.watchdog or STATUS_PERIOD * 2) / 2)
        with scope:
            while True:
                await trio.sleep(period)
                self._send(*life, f"STATUS={status()[:_MOST_STATUS]}")

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        name = self.address
        if name.startswith("@"):
            name = "\0" + name[1:]
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            with socket.socket(socket.AF_UNIX, kind) as sender:
                sender.sendto("\n".join(lines).encode(), name)
        except OSError as error:
            logger.warning("NOTIFY_SOCKET %s: %s", self.address, error)


def from_environment(variables: Mapping[str, str]) -> Notifier:
    """The supervisor that the environment names."""
    address = variables.get("NOTIFY_SOCKET")
    if not address:
        return Notifier()
    if address[0] not in "/@":
        logger.warning("NOTIFY_SOCKET %s: only Unix sockets are supported", address)
        return Notifier()
    period = variables.get("WATCHDOG_USEC", "")
    # Of a process further up that hands its environment down, it is not about us.
    ours = variables.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not ours or not period.isascii() or not period.isdigit() or not int(period):
        return Notifier(address)
    return Notifier(address, int(period) / 1e6)
