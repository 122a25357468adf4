"""The HTTP server: hypercorn's connections on our sockets, with a guard around each.

Hypercorn speaks HTTP/1.1 to the ASGI application. Plain requests (`http.plain`) that can be
answered at once are answered in front of it. Its own server is not used, for three reasons, each
with a test on real sockets: a byte after an `Upgrade` request raises out of the connection, and
would end all other connections too; its writes are shielded, so a peer that never reads would
keep a cancelled server from ending; and it swallows `KeyboardInterrupt`. So we accept
connections, guard each of them, and give hypercorn a stream on which every wait to write ends.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from trio_stream.access.guard import Guard
from trio_stream.http.connection import HttpConnection
from trio_stream.http.newcomers import STRANGERS, Backlog, Newcomers, Strangers
from trio_stream.http.permits import PeerPermits, Permits
from trio_stream.http.places import FULL, HttpPlaces
from trio_stream.http.plain import HEAD_BYTES, Direct
from trio_stream.http.threads import PEER
from trio_stream.http.visit import Visit
from trio_stream.log.errors import CommitLogError
from trio_stream.net.request_reader import Head
from trio_stream.net.upgrades import Upgrades
from trio_stream.stream.selection import STREAMS_PATH

logger = logging.getLogger(__name__)

_STREAMS = STREAMS_PATH.encode("ascii")

ALPN = ("http/1.1",)
"""The protocols this server speaks, as TLS names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What connections may cost. Sizes in bytes, times in seconds."""

    # Each costs a file descriptor, of which subscribers need most.
    max_connections: int = 4096
    max_connections_per_address: int = 1024  # 0: none
    trusted_proxies: tuple[str, ...] = ()
    # For a whole request head, and for the TLS handshake before it.
    head_timeout: float = 10.0
    # Between two requests.
    keep_alive: float = 75.0
    # For a body, plus one second for each `body_rate` bytes of it received.
    body_timeout: float = 20.0
    body_rate: int = 4096
    # While the peer accepts no byte of the answer.
    stall_timeout: float = 60.0
    # What the kernel buffers for a peer that does not read; left alone it would be up to 4 MB.
    send_buffer: int = 128 * 1024
    max_body_bytes: int = 2 * 1024 * 1024
    # All bodies and answers in progress, together.
    bytes_under_way: int = 256 * 1024 * 1024
    shutdown_timeout: float = 25.0


async def serve(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    tls: Callable[[], ssl.SSLContext] | None,
    limits: HttpLimits,
    stop: trio.Event,
    lasting: Callable[[], int] = lambda: 0,
    answered: trio.Event | None = None,
    direct: Direct = lambda request: None,
    turn: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    upgrades: Upgrades | None = None,
    places: HttpPlaces | None = None,
    guard: Guard | None = None,
    task_status: trio.TaskStatus[
        Sequence[trio.SocketListener]
    ] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set and the requests in progress are answered.

    They have `shutdown_timeout` seconds; then they are cut. `answered` is set earlier, once only
    `lasting` requests are left, which end by themselves when the node stops. Each plain request
    is first offered to `direct`. A `turn` is awaited before a new connection is served and
    before more of a large body or answer is taken. Connections that are to become WebSockets are
    handed over to `upgrades`. `guard` says which requests are answered, if not all. Raises
    `CommitLogError`.
    """
    server = _HttpServer(
        app,
        tls,
        limits,
        direct=direct,
        lasting=lasting,
        answered=answered,
        turn=turn,
        upgrades=upgrades,
        places=places or HttpPlaces(limits, turn),
        guard=guard,
    )
    async with trio.open_nursery() as clients:
        clients.start_soon(server.end_if_broken)
        try:
            async with trio.open_nursery() as doors:
                accept = partial(
                    trio.serve_listeners,
                    server.welcome,
                    [Backlog(listener) for listener in listeners],
                    handler_nursery=clients,
                )
                await doors.start(accept)
                task_status.started(listeners)
                await stop.wait()
                doors.cancel_scope.cancel()
            await server.stop()
            with trio.move_on_after(limits.shutdown_timeout):
                await server.empty()
        finally:
            # Even if all of this is cancelled, since hypercorn's writes are shielded.
            server.cut()
            clients.cancel_scope.cancel()


class _HttpServer:
    """The open connections, and what they have in common."""

    def __init__(
        self,
        app: ASGIFramework,
        tls: Callable[[], ssl.SSLContext] | None,
        limits: HttpLimits,
        *,
        direct: Direct,
        lasting: Callable[[], int],
        answered: trio.Event | None,
        turn: Callable[[], Awaitable[None]],
        upgrades: Upgrades | None,
        places: HttpPlaces,
        guard: Guard | None,
    ) -> None:
        self.context = WorkerContext(None)
        self._answer = app
        self._app = ASGIWrapper(self._run_app)
        self._broken = trio.Event()
        self._damage: BaseException | None = None
        self._config = _hypercorn_config(limits)
        self._tls = tls
        self._limits = limits
        self._places = places
        self._newcomers = Newcomers(turn)
        self._strangers = Strangers(turn, min(STRANGERS, limits.max_connections))
        self._open: set[Visit] = set()
        self._empty = trio.Event()
        self._stopping = False
        self._direct = direct
        self._lasting = lasting
        self._answered = answered
        self._upgrades = upgrades
        self._upgraded = () if upgrades is None else (_STREAMS, *upgrades.others)
        self._permits = None if guard is None else Permits(guard)

    async def _run_app(self, *request: Any) -> None:
        try:
            await self._answer(*request)
        except* CommitLogError as damage:
            # Hypercorn would report that the application failed, and go on.
            self._damage = damage
            self._broken.set()

    async def end_if_broken(self) -> None:
        """Raise the error of the log that the application met, once there is one."""
        await self._broken.wait()
        assert self._damage is not None
        raise self._damage

    async def welcome(self, accepted: trio.SocketStream) -> None:
        """Serve one connection. Nothing that its peer does affects any other."""
        try:
            visit = Visit(accepted, self._places, self._limits)
            # For everything that this task, and those it starts, do for the peer.
            PEER.set(visit.guest.address)
            try:
                with visit.scope:
                    await self._receive(visit)
            finally:
                visit.forget()
        except* CommitLogError:
            raise
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            logger.debug("connection ended: %r", gone.exceptions)
        except* Exception:
            logger.warning("a connection was cut", exc_info=True)
        finally:
            accepted.socket.close()

    async def _receive(self, visit: Visit) -> None:
        guest = visit.guest
        why = self._places.enter(guest)
        if why is not None:
            secure = partial(visit.secured, self._tls)
            await self._strangers.turn_away(visit.accepted, secure, guest.address, why)
            return
        self._open.add(visit)
        upgraded = None
        try:
            if await self._newcomers.turn(guest.address, visit.accepted):
                guest.begins()
                upgraded = await self._serve(visit)
        finally:
            self._places.leave(guest)
            guest.give_back()
            self._open.remove(visit)
            if not self._open:
                self._empty.set()
            self.look_who_is_left()
        if upgraded is not None and self._upgrades is not None:
            visit.hand_over(self._upgrades, *upgraded)

    async def _serve(self, visit: Visit) -> tuple[trio.abc.Stream, Head] | None:
        """Serve a connection to its end, or until it is to become a WebSocket."""
        stream, permits = visit.secured(self._tls), self._permits
        visit.connection = connection = HttpConnection(
            self._app,
            self._config,
            self.context,
            stream,
            direct=self._direct,
            limits=self._limits,
            guest=visit.guest,
            on_idle=self.look_who_is_left,
            upgrades=self._upgraded,
            permits=None if permits is None else PeerPermits(permits, visit.peer),
        )
        try:
            await connection.run()
        finally:
            connection.let_go()
        return None if connection.upgrade is None else (stream, connection.upgrade)

    async def stop(self) -> None:
        """Close connections that are idle or wait for their turn, the others after their answer."""
        self._stopping = True
        await self.context.terminated.set()
        for visit in self._open:
            if visit.connection is None:
                visit.end(FULL)
            elif visit.connection.is_idle:
                visit.connection.stop_reading()
        self.look_who_is_left()

    def look_who_is_left(self) -> None:
        """Set `answered` once the server is stopping and only lasting requests are left."""
        if self._stopping and self._answered is not None:
            connections = [visit.connection for visit in self._open]
            busy = [c for c in connections if c is not None and not c.is_idle]
            if len(busy) <= self._lasting():
                self._answered.set()

    async def empty(self) -> None:
        """Wait until the last connection has ended."""
        if self._open:
            self._empty = trio.Event()
            await self._empty.wait()

    def cut(self) -> None:
        """Cut all connections that are left."""
        for visit in self._open:
            visit.transport.cut()


def _hypercorn_config(limits: HttpLimits) -> Config:
    config = Config()
    config.include_server_header = False
    config.h11_max_incomplete_size = HEAD_BYTES
    # A client may keep its connection as long as it likes.
    config.keep_alive_max_requests = 2**62
    config.ssl_handshake_timeout = limits.head_timeout
    config.errorlog = logger
    config.accesslog = None
    return config
