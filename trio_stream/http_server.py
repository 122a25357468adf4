"""The HTTP door: listens, guards each connection, and stops in good order.

It speaks HTTP/1.1 to any ASGI application on the sockets it is given, with TLS when
there is a certificate. What happens on a connection is `http_connection`'s; here it is
made sure that no connection can end the server, that idle ones do not hold it up when it
stops, and that the others have a deadline then.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from trio_stream.http_connection import App, HttpConnection, Limits

logger = logging.getLogger(__name__)

SERVER = "trio_stream"

# Each costs a file descriptor, of which subscribers need most.
MAX_CONNECTIONS = 4096
_TLS_TIMEOUT = 10.0
_LIMITS = Limits()


async def serve(
    app: App,
    listeners: Sequence[trio.SocketListener],
    *,
    certfile: str | Path | None,
    keyfile: str | Path | None,
    shutdown_timeout: float,
    stop: trio.Event,
    server: str = SERVER,
    limits: Limits = _LIMITS,
    max_connections: int = MAX_CONNECTIONS,
    task_status: trio.TaskStatus[
        Sequence[trio.SocketListener]
    ] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set and the requests under way are answered.

    They get `shutdown_timeout` seconds for it; then they are cut. `server` is what the
    header of that name says.
    """
    door = _Door(
        app,
        tls=_tls_context(certfile, keyfile),
        server=server.encode("ascii"),
        limits=limits,
        max_connections=max_connections,
    )
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as doors:
            await doors.start(
                partial(
                    trio.serve_listeners,
                    door.welcome,
                    list(listeners),
                    handler_nursery=clients,
                )
            )
            task_status.started(listeners)
            await stop.wait()
            doors.cancel_scope.cancel()
        door.stop()
        clients.cancel_scope.deadline = trio.current_time() + shutdown_timeout


def _tls_context(
    certfile: str | Path | None, keyfile: str | Path | None
) -> ssl.SSLContext | None:
    if certfile is None or keyfile is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certfile, keyfile)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Door:
    """The connections that are open, and what they have in common."""

    def __init__(
        self,
        app: App,
        *,
        tls: ssl.SSLContext | None,
        server: bytes,
        limits: Limits,
        max_connections: int,
    ) -> None:
        self._app = app
        self._tls = tls
        self._server = server
        self._limits = limits
        self._max_connections = max_connections
        self._open: set[HttpConnection] = set()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        for connection in self._open:
            connection.stop()

    async def welcome(self, socket_stream: trio.SocketStream) -> None:
        """Serve one connection; whatever it does, nobody else notices."""
        try:
            if len(self._open) >= self._max_connections:
                logger.warning("connection refused: %d are open", len(self._open))
                await trio.aclose_forcefully(socket_stream)
                return
            await self._guarded(socket_stream)
        except* Exception:
            logger.exception("a connection failed")

    async def _guarded(self, socket_stream: trio.SocketStream) -> None:
        stream: trio.abc.Stream = socket_stream
        if self._tls is not None:
            # Compatible: peers may close without TLS's own farewell, and so do we.
            stream = trio.SSLStream(
                socket_stream, self._tls, server_side=True, https_compatible=True
            )
        try:
            async with stream:
                if isinstance(stream, trio.SSLStream):
                    with trio.fail_after(_TLS_TIMEOUT):
                        await stream.do_handshake()
                await self._serve(stream, self._scope(socket_stream.socket))
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            logger.debug("connection ended: %r", error)

    async def _serve(self, stream: trio.abc.Stream, scope: dict[str, object]) -> None:
        if self._stopping:
            return
        connection = HttpConnection(
            self._app, stream, scope, limits=self._limits, server=self._server
        )
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.remove(connection)

    def _scope(self, socket: trio.socket.SocketType) -> dict[str, object]:
        return {
            "scheme": "http" if self._tls is None else "https",
            "client": socket.getpeername()[:2],
            "server": socket.getsockname()[:2],
        }
