"""The HTTP door: hypercorn's connections on our sockets, each of them guarded.

Hypercorn speaks HTTP/1.1 to the ASGI application; plain requests (`http_plain`) for what can be
answered at once are answered in front of it. Its own server is left out, for three
reasons, each with a test on real sockets: a byte after an `Upgrade` request raises out of
the connection, and would end every other one with it; its writes are shielded, so that a
peer that never reads holds a cancelled server up for ever; and it swallows
`KeyboardInterrupt`. So the accept loop is ours, there is a guard around each connection,
and what hypercorn writes to ends each wait by itself.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from trio_stream.http.connection import HttpConnection
from trio_stream.http.front import refuse
from trio_stream.http.newcomers import Backlog, Newcomers
from trio_stream.http.places import FULL, HttpGuest, HttpPlaces, TurnedAway
from trio_stream.http.plain import HEAD_BYTES, Direct
from trio_stream.http.threads import PEER
from trio_stream.http.transport import HttpTransport
from trio_stream.log.errors import CommitLogError
from trio_stream.net.sockets import give_up_after

logger = logging.getLogger(__name__)

ALPN = ("http/1.1",)
"""What this door speaks, as TLS names it."""

STRANGERS = 256
"""Connections beyond the limit that may be here to be told so; never more than the limit itself."""
_TURN_AWAY_SECONDS = 2.0
# Between two warnings of one kind: peers decide how often there is a reason.
_WARN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What connections may cost. Sizes in bytes, times in seconds."""

    # Each costs a file descriptor, of which subscribers need most.
    max_connections: int = 4096
    max_connections_per_address: int = 1024  # 0: none
    trusted_proxies: tuple[str, ...] = ()
    # For the whole of a request's head, TLS before it, and between two requests.
    head_timeout: float = 10.0
    keep_alive: float = 75.0
    # For a body, and a second more for each `body_rate` bytes of it that have come.
    body_timeout: float = 20.0
    body_rate: int = 4096
    # Without a byte of the answer accepted.
    stall_timeout: float = 60.0
    # What the kernel holds for a peer that does not read; it takes up to 4 MB if it may.
    send_buffer: int = 128 * 1024
    max_body_bytes: int = 2 * 1024 * 1024
    # Of all bodies and answers under way, together.
    bytes_under_way: int = 256 * 1024 * 1024
    shutdown_timeout: float = 25.0


async def serve(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    tls: ssl.SSLContext | None,
    limits: HttpLimits,
    stop: trio.Event,
    lasting: Callable[[], int] = lambda: 0,
    answered: trio.Event | None = None,
    direct: Direct = lambda request: None,
    turn: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    task_status: trio.TaskStatus[
        Sequence[trio.SocketListener]
    ] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set and the requests under way are answered.

    They get `shutdown_timeout` seconds for it; then they are cut. `answered` is set before
    that, when none are left but `lasting` ones, which end by themselves when the node stops.
    `direct` is asked for each plain request before `app` is. A `turn` is awaited
    for each new connection, and for more of what is large. Raises `CommitLogError`.
    """
    door = _HttpServer(
        app, tls, limits, direct=direct, lasting=lasting, answered=answered, turn=turn
    )
    async with trio.open_nursery() as clients:
        clients.start_soon(door.end_if_broken)
        try:
            async with trio.open_nursery() as doors:
                accept = partial(
                    trio.serve_listeners,
                    door.welcome,
                    [Backlog(listener) for listener in listeners],
                    handler_nursery=clients,
                )
                await doors.start(accept)
                task_status.started(listeners)
                await stop.wait()
                doors.cancel_scope.cancel()
            await door.stop()
            with trio.move_on_after(limits.shutdown_timeout):
                await door.empty()
        finally:
            # Also where all of this is cancelled: hypercorn's writes are shielded.
            door.cut()
            clients.cancel_scope.cancel()


@dataclass(slots=True, eq=False)
class _Visit:
    """A connection that has a place."""

    transport: HttpTransport
    scope: trio.CancelScope
    connection: HttpConnection | None = None
    """None while it waits for its turn."""

    def end(self, refusal: TurnedAway) -> None:
        if self.connection is None or not self.connection.end(refusal):
            self.transport.cut()
            self.scope.cancel()


class _HttpServer:
    """The connections that are open, and what they have in common."""

    def __init__(
        self,
        app: ASGIFramework,
        tls: ssl.SSLContext | None,
        limits: HttpLimits,
        *,
        direct: Direct,
        lasting: Callable[[], int],
        answered: trio.Event | None,
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        self.context = WorkerContext(None)
        self._answer = app
        self._app = ASGIWrapper(self._run_app)
        self._broken = trio.Event()
        self._damage: BaseException | None = None
        self._config = _hypercorn_config(limits)
        self._tls = tls
        self._limits = limits
        self._places = HttpPlaces(limits, turn)
        self._newcomers = Newcomers(turn)
        self._turned_away = Newcomers(turn)
        self._open: set[_Visit] = set()
        self._empty = trio.Event()
        self._strangers = 0
        self._quiet_until = 0.0
        self._stopping = False
        self._direct = direct
        self._lasting = lasting
        self._answered = answered

    async def _run_app(self, *request: Any) -> None:
        try:
            await self._answer(*request)
        except* CommitLogError as damage:
            # Hypercorn would say that the application failed, and serve on.
            self._damage = damage
            self._broken.set()

    async def end_if_broken(self) -> None:
        """Raise an error of the log that the application has met."""
        await self._broken.wait()
        assert self._damage is not None
        raise self._damage

    async def welcome(self, stream: trio.SocketStream) -> None:
        """Serve one connection; whatever it does, nobody else notices."""
        transport = HttpTransport(stream, self._limits.stall_timeout)
        try:
            peer = str(stream.socket.getpeername()[0])
            stream.socket.setsockopt(SOL_SOCKET, SO_SNDBUF, self._limits.send_buffer)
            give_up_after(stream.socket, self._limits.stall_timeout)
            with trio.CancelScope() as scope:
                visit = _Visit(transport, scope)
                guest = HttpGuest(self._places, peer, visit.end)
                # For all that this task, and those it starts, do for the peer.
                PEER.set(guest.address)
                await self._receive(stream, visit, guest)
        except* CommitLogError:
            raise
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            logger.debug("connection ended: %r", gone.exceptions)
        except* Exception:
            logger.warning("a connection was cut", exc_info=True)
        finally:
            stream.socket.close()

    async def _receive(
        self, stream: trio.SocketStream, visit: _Visit, guest: HttpGuest
    ) -> None:
        refusal = self._places.enter(guest)
        if refusal is not None:
            await self._turn_away(stream, visit.transport, guest, refusal)
            return
        visit.transport.guest = guest
        self._open.add(visit)
        try:
            if await self._newcomers.turn(guest.address, stream):
                guest.begins()
                await self._serve(visit, guest)
        finally:
            self._places.leave(guest)
            guest.give_back()
            visit.transport.guest = None  # they hold each other
            self._open.remove(visit)
            if not self._open:
                self._empty.set()
            self.look_who_is_left()

    async def _turn_away(
        self,
        stream: trio.SocketStream,
        transport: HttpTransport,
        guest: HttpGuest,
        refusal: TurnedAway,
    ) -> None:
        now = trio.current_time()
        if now >= self._quiet_until:
            self._quiet_until = now + _WARN_SECONDS
            logger.warning(
                "a connection was turned away with status %d: %d are open",
                refusal.answer.status,
                len(self._open),
            )
        if self._strangers >= min(STRANGERS, self._limits.max_connections):
            return
        self._strangers += 1
        try:
            with trio.move_on_after(_TURN_AWAY_SECONDS):
                if await self._turned_away.turn(guest.address, stream):
                    secured = self._secured(transport)
                    # Some clients take no answer before they have asked.
                    await secured.receive_some(HEAD_BYTES)
                    await refuse(secured, refusal)
        finally:
            self._strangers -= 1

    async def stop(self) -> None:
        """Close what waits for its turn or is idle, and the others after the answer in hand."""
        self._stopping = True
        await self.context.terminated.set()
        for visit in self._open:
            if visit.connection is None:
                visit.end(FULL)
            elif visit.connection.is_idle:
                visit.connection.stop_reading()
        self.look_who_is_left()

    def look_who_is_left(self) -> None:
        """Once stopping: is there anything under way that does not last?"""
        if self._stopping and self._answered is not None:
            connections = [visit.connection for visit in self._open]
            busy = [c for c in connections if c is not None and not c.is_idle]
            if len(busy) <= self._lasting():
                self._answered.set()

    async def empty(self) -> None:
        """Wait for the last connection."""
        if self._open:
            self._empty = trio.Event()
            await self._empty.wait()

    def cut(self) -> None:
        """Cut all that are left."""
        for visit in self._open:
            visit.transport.cut()

    async def _serve(self, visit: _Visit, guest: HttpGuest) -> None:
        visit.connection = HttpConnection(
            self._app,
            self._config,
            self.context,
            self._secured(visit.transport),
            direct=self._direct,
            limits=self._limits,
            guest=guest,
            on_idle=self.look_who_is_left,
        )
        try:
            await visit.connection.run()
        finally:
            visit.connection.let_go()

    def _secured(self, transport: HttpTransport) -> trio.abc.Stream:
        if self._tls is None:
            return transport
        # Compatible: peers may close without TLS's own farewell, and so do we.
        return trio.SSLStream(
            transport, self._tls, server_side=True, https_compatible=True
        )


def _hypercorn_config(limits: HttpLimits) -> Config:
    config = Config()
    config.include_server_header = False
    config.h11_max_incomplete_size = HEAD_BYTES
    # A client may keep its connection for as long as it likes.
    config.keep_alive_max_requests = 2**62
    config.ssl_handshake_timeout = limits.head_timeout
    config.errorlog = logger
    config.accesslog = None
    return config
