"""The HTTP door: hypercorn's connections on our sockets, each of them guarded.

Hypercorn speaks HTTP/1.1 to the ASGI application. Its own server is left out, for three
reasons, each with a test on real sockets: a byte after an `Upgrade` request raises out of
the connection, and would end every other one with it; its writes are shielded, so that a
peer that never reads holds a cancelled server up for ever; and it swallows
`KeyboardInterrupt`. So the accept loop is ours, there is a guard around each connection,
and what hypercorn writes to ends each wait by itself.
"""

from __future__ import annotations

import logging
import math
import re
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

logger = logging.getLogger(__name__)

# Each costs a file descriptor, of which subscribers need most.
MAX_CONNECTIONS = 4096
# Seconds without a byte of a request that has begun, and between two requests.
READ_TIMEOUT = 30.0
KEEP_ALIVE = 75.0
# Seconds without a byte of the answer accepted, and what is offered at once.
STALL_TIMEOUT = 60.0
_SLICE = 64 * 1024
_HEAD_BYTES = 16 * 1024
_RECEIVE = 64 * 1024
_TLS_TIMEOUT = 10.0

# The head is sent by itself, so no body is taken for one.
_STATUS_LINE = re.compile(rb"(HTTP/1\.1 ([0-9]{3}) )\r\n")
_PHRASES = {int(s): s.phrase.upper().encode("ascii") for s in HTTPStatus}


async def serve(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    certfile: str | Path | None,
    keyfile: str | Path | None,
    shutdown_timeout: float,
    stop: trio.Event,
    stall_timeout: float = STALL_TIMEOUT,
    max_connections: int = MAX_CONNECTIONS,
    lasting: Callable[[], int] = lambda: 0,
    answered: trio.Event | None = None,
    task_status: trio.TaskStatus[
        Sequence[trio.SocketListener]
    ] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set and the requests under way are answered.

    They get `shutdown_timeout` seconds for it; then they are cut. `answered` is set before
    that, when none are left but `lasting` ones, which end by themselves when the node stops.
    """
    tls = _tls_context(certfile, keyfile)
    door = _Door(app, tls, stall_timeout, max_connections)
    door.lasting, door.answered = lasting, answered
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as doors:
            accept = partial(
                trio.serve_listeners,
                door.welcome,
                list(listeners),
                handler_nursery=clients,
            )
            await doors.start(accept)
            task_status.started(listeners)
            await stop.wait()
            doors.cancel_scope.cancel()
        await door.stop()
        clients.start_soon(door.cut_after, shutdown_timeout, clients.cancel_scope)


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
        app: ASGIFramework,
        tls: ssl.SSLContext | None,
        stall_timeout: float,
        max_connections: int,
    ) -> None:
        self.context = WorkerContext(None)
        self._app = ASGIWrapper(app)
        self._config = _hypercorn_config()
        self._tls = tls
        self._stall_timeout = stall_timeout
        self._max_connections = max_connections
        self._open: dict[_Transport, _Connection | None] = {}
        self._empty = trio.Event()
        self._stopping = False
        self.lasting: Callable[[], int] = lambda: 0
        self.answered: trio.Event | None = None

    async def welcome(self, stream: trio.SocketStream) -> None:
        """Serve one connection; whatever it does, nobody else notices."""
        if len(self._open) >= self._max_connections:
            logger.warning("connection refused: %d are open", len(self._open))
            await trio.aclose_forcefully(stream)
            return
        transport = _Transport(stream, self._stall_timeout)
        self._open[transport] = None
        try:
            await self._serve(transport)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            logger.debug("connection ended: %r", gone.exceptions)
        except* Exception:
            logger.warning("a connection was cut", exc_info=True)
        finally:
            del self._open[transport]
            stream.socket.close()
            if not self._open:
                self._empty.set()
            self.look_who_is_left()

    async def stop(self) -> None:
        """Close what is idle, and the others after the answer in hand."""
        self._stopping = True
        await self.context.terminated.set()
        for connection in self._open.values():
            if connection is not None and connection.is_idle:
                connection.stop_reading()
        self.look_who_is_left()

    def look_who_is_left(self) -> None:
        """Once stopping: is there anything under way that does not last?"""
        if self._stopping and self.answered is not None:
            busy = [c for c in self._open.values() if c is not None and not c.is_idle]
            if len(busy) <= self.lasting():
                self.answered.set()

    async def cut_after(self, seconds: float, clients: trio.CancelScope) -> None:
        """Wait for the last connection; after `seconds` cut all that are left."""
        with trio.move_on_after(seconds):
            if self._open:
                self._empty = trio.Event()
                await self._empty.wait()
        for transport in self._open:
            transport.cut()
        clients.cancel()

    async def _serve(self, transport: _Transport) -> None:
        stream: trio.abc.Stream = transport
        if self._tls is not None:
            # Compatible: peers may close without TLS's own farewell, and so do we.
            stream = trio.SSLStream(
                transport, self._tls, server_side=True, https_compatible=True
            )
        state = ConnectionState({})
        # It takes a plain stream too, which its annotation does not say (0.18).
        connection = _Connection(
            self._app, self._config, self.context, state, stream  # type: ignore[arg-type]
        )
        connection.prepare(self.look_who_is_left)
        self._open[transport] = connection
        await connection.run()


class _NoIdleTask:
    """In place of a task for each pause between two requests: a deadline does it."""

    async def restart(self, *_: object) -> None:
        pass

    async def stop(self) -> None:
        pass


class _Connection(TCPServer):
    """Hypercorn's, with fewer steps a request and the reason phrases that it leaves out.

    The head of an answer goes out together with the first bytes of its body, so an
    answer that streams should begin at once. BigchainDB's phrases are in capitals, and
    its JavaScript driver shows them to applications.
    """

    def prepare(self, on_idle: Callable[[], None]) -> None:
        """What its constructor would do; `on_idle` is called at the end of each answer."""
        self._on_idle = on_idle
        self.idle_task = _NoIdleTask()  # type: ignore[assignment]  # all it is asked
        self.is_idle = True
        self._head = b""
        self._reading = trio.CancelScope()

    def stop_reading(self) -> None:
        """Close the connection as if its peer had."""
        self._reading.cancel()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            self.is_idle = event.idle
            if event.idle:
                self._on_idle()
                self._reading.deadline = trio.current_time() + KEEP_ALIVE
                if self.context.terminated.is_set():
                    self.stop_reading()
        else:
            await super().protocol_send(event)

    async def _write(self, data: bytes) -> None:
        found = _STATUS_LINE.match(data)
        if found is not None:
            phrase = _PHRASES.get(int(found[2]), b"")
            self._head = found[1] + phrase + data[found.end(1) :]
        elif self._head or data:
            data, self._head = self._head + data, b""
            await super().protocol_send(RawData(data))

    async def _read_data(self) -> None:
        self._reading.deadline = trio.current_time() + KEEP_ALIVE
        with self._reading:
            while True:
                try:
                    data = await self.stream.receive_some(_RECEIVE)
                except (trio.ClosedResourceError, trio.BrokenResourceError):
                    break
                self._reading.deadline = trio.current_time() + READ_TIMEOUT
                await self.protocol.handle(RawData(bytes(data)))
                if not data:
                    break
                if not self.is_idle and self._is_read():
                    # The peer owes nothing; how long the answer takes is the routes'.
                    self._reading.deadline = math.inf
        await self.protocol.handle(Closed())

    def _is_read(self) -> bool:
        http = getattr(self.protocol.protocol, "connection", None)
        return getattr(http, "their_state", None) is h11.DONE


def _hypercorn_config() -> Config:
    config = Config()
    config.include_server_header = False
    config.h11_max_incomplete_size = _HEAD_BYTES
    # A client may keep its connection for as long as it likes.
    config.keep_alive_max_requests = 2**62
    config.ssl_handshake_timeout = _TLS_TIMEOUT
    config.errorlog = logger
    config.accesslog = None
    return config


class _Transport(trio.abc.HalfCloseableStream):
    """A socket on which no wait to write lasts, shielded or not.

    Bytes go out in slices; one that is not accepted in time, or a `cut`, breaks the
    stream, which is what hypercorn takes for a peer that has gone.
    """

    def __init__(self, stream: trio.SocketStream, stall_timeout: float) -> None:
        self._stream = stream
        self._stall_timeout = stall_timeout
        self._writing = trio.CancelScope()
        self._cut = False
        # Hypercorn asks it for the addresses of both ends.
        self.socket = stream.socket

    def cut(self) -> None:
        """Break it now, whoever waits."""
        self._cut = True
        self._writing.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            with trio.move_on_after(self._stall_timeout) as self._writing:
                if self._cut:
                    self._writing.cancel()
                await self._stream.send_all(view[start : start + _SLICE])
            if self._writing.cancelled_caught:
                raise trio.BrokenResourceError("nothing was accepted in time")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
