"""The line in which new connections wait for their turn, fair between addresses.

Turns are for what can wait (`channel.turns`), and beginning to serve a connection can. Of all
the connections from one address only the first waits for a turn; the others wait behind it. So
an address that brings thousands of connections delays its own alone, and somebody who comes
from elsewhere meanwhile waits for one turn per address at most. How many may wait is limited
by the places (`http.places`), which they take before they wait.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

AT_ONCE: Final = 16
"""Connections taken in one step of the event loop; each takes about 0.1 ms of it."""


class Backlog(trio.abc.Listener[trio.SocketStream]):
    """A listener that takes several connections at once from the kernel's queue.

    The kernel's queue is the same for all addresses, so it should be short.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        theirs = listener.socket
        self._socket = socket.fromfd(theirs.fileno(), theirs.family, theirs.type)
        self._accepted: deque[socket.socket] = deque()

    async def accept(self) -> trio.SocketStream:
        """The next connection. A checkpoint once for each `AT_ONCE`."""
        if self._accepted:
            raw = self._accepted.popleft()
            return trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        stream = await self._listener.accept()
        # Whatever is wrong with the next one, the next call meets it.
        with suppress(OSError):
            while len(self._accepted) < AT_ONCE - 1:
                self._accepted.append(self._socket.accept()[0])
        return stream

    async def aclose(self) -> None:
        self._socket.close()
        for raw in self._accepted:
            raw.close()
        await self._listener.aclose()


class Newcomers:
    """New connections that wait for their turn, in a line for each address."""

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        # Each waits in a scope, which is cancelled when it becomes the first of its line.
        self._lines: dict[str | None, deque[trio.CancelScope]] = {}

    def count(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    async def turn(self, address: str | None, stream: trio.SocketStream) -> bool:
        """Wait for a turn; False if the peer has closed the connection before it came."""
        line = self._lines.setdefault(address, deque())
        own = trio.CancelScope()
        line.append(own)
        try:
            if line[0] is not own:
                with own:
                    await _closed(stream)
                    return False
            await self._turn()
            return True
        finally:
            was_first = line[0] is own
            line.remove(own)
            if not line:
                del self._lines[address]
            elif was_first:
                line[0].cancel()


async def _closed(stream: trio.SocketStream) -> None:
    """Wait until the peer closes a connection on which it has said nothing.

    Once it has said something, that hides whether it still listens, so this never returns.
    """
    if await stream.socket.recv(1, socket.MSG_PEEK):
        await trio.sleep_forever()
