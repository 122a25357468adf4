"""New connections: accepted several at a time, then served by turns that are fair to addresses.

Turns are for work that can wait (`channel.turns`), and beginning to serve a connection can. Of
all new connections from one address, only the first waits for a turn; the others wait behind it.
So an address that brings thousands of connections delays only its own, and a connection from
elsewhere waits for at most one turn per address. How many may wait is limited by the places
(`http.places`), which connections take before they wait; those without a place are turned away.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from trio_stream.http.front import refuse
from trio_stream.http.places import TurnedAway
from trio_stream.http.plain import HEAD_BYTES
from trio_stream.net.seldom import Seldom

AT_ONCE: Final = 16
"""Connections accepted in one step of the event loop; each takes about 0.1 ms."""
STRANGERS: Final = 256
"""Connections without a place that may be open to be told so, besides those with one."""

_TURN_AWAY_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Backlog(trio.abc.Listener[trio.SocketStream]):
    """A listener that accepts several connections at once, to keep the kernel's queue short.

    All addresses share that queue, so nobody is served before those who came earlier have left it.
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
        # If something is wrong with the next one, the next call raises it.
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
    """New connections that wait for their turn, in one line per address."""

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        # One scope for each that waits; it is cancelled when it becomes the first of its line.
        self._lines: dict[str | None, deque[trio.CancelScope]] = {}

    def count(self) -> int:
        """How many connections wait."""
        return sum(map(len, self._lines.values()))

    async def turn(self, address: str | None, stream: trio.SocketStream) -> bool:
        """Wait for a turn; False if the peer closes the connection first."""
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
    """Wait until the peer closes a connection without having sent anything.

    Unread bytes hide whether a Close follows them, so once there are any this never returns.
    """
    if await stream.socket.recv(1, socket.MSG_PEEK):
        await trio.sleep_forever()


class Strangers:
    """Connections that have no place; at most `most` of them are open to be told so."""

    def __init__(self, turn: Callable[[], Awaitable[None]], most: int) -> None:
        self._newcomers = Newcomers(turn)
        self._most = most
        self._present = 0
        self._warnings = Seldom(logger, at_most=1)

    async def turn_away(
        self,
        accepted: trio.SocketStream,
        secure: Callable[[], trio.abc.Stream],
        address: str | None,
        why: TurnedAway,
    ) -> None:
        """Say why within seconds, on the stream that `secure` makes of the connection."""
        self._warnings.log(
            logging.WARNING,
            "a connection was turned away with status %d",
            why.answer.status,
        )
        if self._present >= self._most:
            return
        self._present += 1
        try:
            with trio.move_on_after(_TURN_AWAY_SECONDS):
                if await self._newcomers.turn(address, accepted):
                    stream = secure()
                    # Some clients accept no answer before they have sent a request.
                    await stream.receive_some(HEAD_BYTES)
                    await refuse(stream, why)
        finally:
            self._present -= 1
