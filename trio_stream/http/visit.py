"""One connection of the HTTP server, to its end or until it becomes a WebSocket."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Protocol

import trio

from trio_stream.http.connection import HttpConnection
from trio_stream.http.places import FULL, HttpGuest, HttpPlaces, TurnedAway
from trio_stream.http.plain import whole
from trio_stream.http.transport import HttpTransport
from trio_stream.net.request_reader import Head
from trio_stream.net.sockets import give_up_after, turn_away
from trio_stream.net.upgrades import Upgrades, Visitor


class VisitLimits(Protocol):
    """The limits of the server that matter here."""

    @property
    def send_buffer(self) -> int: ...
    @property
    def stall_timeout(self) -> float: ...


class Visit:
    """One connection, from its acceptance to its end."""

    def __init__(
        self, accepted: trio.SocketStream, places: HttpPlaces, limits: VisitLimits
    ) -> None:
        """Raises `OSError` if the peer has gone."""
        self.peer = peer = str(accepted.socket.getpeername()[0])
        accepted.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer
        )
        give_up_after(accepted.socket, limits.stall_timeout)
        self.accepted = accepted
        self.scope = trio.CancelScope()
        self.guest = HttpGuest(places, peer, self.end)
        self.transport = HttpTransport(accepted, limits.stall_timeout, self.guest)
        self.connection: HttpConnection | None = None
        """None while it waits for its turn."""

    def end(self, why: TurnedAway) -> None:
        """Say why and end if the peer still waits for an answer; else cut."""
        if self.connection is None or not self.connection.end(why):
            self.transport.cut()
            self.scope.cancel()

    def forget(self) -> None:
        """Let go of the guest and the connection, once it has ended: they hold each other."""
        self.transport.forget()
        self.connection = None
        del self.guest

    def secured(self, tls: Callable[[], ssl.SSLContext] | None) -> trio.abc.Stream:
        """The stream to speak HTTP on."""
        if tls is None:
            return self.transport
        # Compatible: peers may close without TLS's closing alert, and so do we.
        return trio.SSLStream(
            self.transport, tls(), server_side=True, https_compatible=True
        )

    def hand_over(
        self, upgrades: Upgrades, stream: trio.abc.Stream, head: Head
    ) -> None:
        """Leave the connection, with the request on it, to whoever serves WebSockets."""
        # Made again around a socket object that can be written to directly: Trio hides its own.
        raw = socket.socket(fileno=self.accepted.socket.detach())
        transport = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        secure = isinstance(stream, trio.SSLStream)
        if isinstance(stream, trio.SSLStream):
            # Instead of ours, which knows this visit.
            stream.transport_stream = transport
        else:
            stream = transport
        if not upgrades.hand_over(Visitor(stream, raw, self.peer, secure, head)):
            if not secure:
                close = ("connection", "close")
                turn_away(raw, whole(FULL.answer, None, close, *FULL.headers))
            raw.close()
