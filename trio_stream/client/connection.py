"""One WebSocket connection of a client, from connecting to closing.

It has three deadlines: for connecting, for silence, and for closing. Silence means that no bytes
arrive while somebody reads: if the caller is slow, bytes are left unread, and the server is not
silent. A quiet server is pinged, so that it sends something if it is alive.

Two things that trio-websocket 0.12.2 leaves to its user are done here: it would wait for ever for
the answer of a server that disconnects during the handshake, and it leaves the socket open if the
server closes first.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio
import trio_websocket

from trio_stream.client.request import Endpoint
from trio_stream.client.verdicts import Closed, Lost, Rejected

logger = logging.getLogger(__name__)

GOODBYE_TIMEOUT: Final = 1.0
# Enough for a block of 100 MiB of tiny transactions, listed by their ids.
MESSAGE_LIMIT: Final = 256 * 1024 * 1024
# The fraction of the allowed silence after which the server is pinged.
PING_AFTER: Final = 1 / 3
_RECEIVE_BYTES: Final = 64 * 1024
_ABNORMAL: Final = 1006

OpenStream = Callable[[str, int], Awaitable[trio.abc.Stream]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How servers are reached. Times in seconds."""

    token: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    silence_timeout: float = 60.0
    open_tcp: OpenStream = trio.open_tcp_stream


class StreamConnection:
    """An open stream of messages."""

    def __init__(
        self, socket: trio_websocket.WebSocketConnection, watched: WatchedStream
    ) -> None:
        self._socket = socket
        self._watched = watched
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in socket.handshake_headers
        }

    async def receive(self) -> str | bytes:
        """The next message. Raises `Closed` or `Lost`."""
        try:
            return await self._socket.get_message()
        except trio_websocket.ConnectionClosed as error:
            reason = error.reason
        if reason is None or reason.code == _ABNORMAL:
            raise Lost(self._watched.trouble or "cut off")
        raise Closed(reason.code, reason.reason)


class WatchedStream:
    """A byte stream that breaks if nothing arrives for too long while it is read."""

    def __init__(self, stream: trio.abc.Stream, limit: float) -> None:
        self._stream = stream
        self._limit = limit
        self._heard = trio.current_time()
        self.trouble = ""
        """Why it broke, if that is known."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            with trio.fail_after(self._limit):
                data = await self._stream.receive_some(max_bytes)
        except trio.TooSlowError:
            self.trouble = f"silent for {self._limit:g} seconds"
            raise trio.BrokenResourceError(self.trouble) from None
        self._heard = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def aclose(self) -> None:
        await self._stream.aclose()

    @property
    def silence(self) -> float:
        """The seconds since bytes last arrived."""
        return trio.current_time() - self._heard


@asynccontextmanager
async def connect(
    endpoint: Endpoint, settings: ConnectionSettings
) -> AsyncIterator[StreamConnection]:
    """A connection for the duration of a block. Raises `Lost` or `Rejected` if it fails."""
    deadline = trio.current_time() + settings.connect_timeout
    stream = await _dial(endpoint, settings, deadline)
    watched = WatchedStream(stream, settings.silence_timeout)
    try:
        async with open_nursery() as nursery:
            reader = _Receiver(nursery, watched)
            try:
                socket = await _upgrade(reader, endpoint, settings, deadline)
                ping_after = settings.silence_timeout * PING_AFTER
                nursery.start_soon(_keep_awake, socket, watched, ping_after)
                try:
                    yield StreamConnection(socket, watched)
                finally:
                    with trio.move_on_after(GOODBYE_TIMEOUT, shield=True):
                        await socket.aclose()
            finally:
                reader.scope.cancel()
                nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


async def _dial(
    endpoint: Endpoint, settings: ConnectionSettings, deadline: float
) -> trio.abc.Stream:
    try:
        with trio.fail_at(deadline):
            stream = await settings.open_tcp(endpoint.host, endpoint.port)
            if not endpoint.tls:
                return stream
            context = settings.ssl_context or ssl.create_default_context()
            secured = trio.SSLStream(
                stream, context, server_hostname=endpoint.host, https_compatible=True
            )
            try:
                await secured.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            return secured
    except trio.TooSlowError:
        seconds = settings.connect_timeout
        raise Lost(f"not connected within {seconds:g} seconds") from None
    except OSError as error:
        raise Lost(f"not connected: {error}") from error
    except trio.BrokenResourceError as error:
        raise Lost(f"TLS failed: {error.__cause__ or error}") from error


class _Receiver:
    """Runs the library's reader task; to the library it looks like a nursery.

    The task's exceptions are caught here. It is shielded from cancellation, because it has to
    read the answer to our Close; `connect` ends it in any case.
    """

    def __init__(self, nursery: trio.Nursery, watched: WatchedStream) -> None:
        self._nursery = nursery
        self.watched = watched
        self.rejection: trio_websocket.ConnectionRejected | None = None
        self.handshake = trio.CancelScope()
        self.scope = trio.CancelScope(shield=True)

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(self._run, task)

    async def _run(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            with self.scope:
                await task()
        except trio_websocket.ConnectionRejected as error:
            self.rejection = error
        except Exception as error:
            # For instance a Ping after our Close, which it tries to answer.
            logger.debug("the connection's reader ended", exc_info=True)
            self.watched.trouble = repr(error)
        finally:
            # The reader also ends when the server disconnects during the handshake, and then
            # nothing else would wake the task that waits for the answer.
            self.handshake.cancel()


async def _upgrade(
    reader: _Receiver,
    endpoint: Endpoint,
    settings: ConnectionSettings,
    deadline: float,
) -> trio_websocket.WebSocketConnection:
    socket = None
    headers = []
    if settings.token is not None:
        headers.append((b"Authorization", b"Bearer " + settings.token.encode("ascii")))
    with trio.move_on_at(deadline) as patience, reader.handshake:
        socket = await trio_websocket.wrap_client_stream(
            reader,  # type: ignore[arg-type]  # starts one task
            reader.watched,  # type: ignore[arg-type]  # all that it uses
            endpoint.authority,
            endpoint.target,
            extra_headers=headers,
            max_message_size=MESSAGE_LIMIT,
            receive_buffer_size=_RECEIVE_BYTES,
        )
    if reader.rejection is not None:
        raise _rejected(reader.rejection)
    if socket is None:
        slow = "no answer in time" if patience.cancelled_caught else "no answer"
        raise Lost(reader.watched.trouble or slow)
    return socket


def _rejected(error: trio_websocket.ConnectionRejected) -> Rejected:
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in error.headers or ()
    }
    return Rejected(error.status_code, headers, error.body or b"")


async def _keep_awake(
    socket: trio_websocket.WebSocketConnection, watched: WatchedStream, seconds: float
) -> None:
    """Ping a quiet server; if it is dead, the silence deadline ends the connection."""
    while True:
        await trio.sleep(max(seconds - watched.silence, 0))
        if watched.silence >= seconds:
            try:
                await socket.ping()
            except trio_websocket.ConnectionClosed:
                return


@asynccontextmanager
async def open_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery that raises a single exception without a group, so callers can catch it by name."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        # The group held only this exception, so nothing is lost.
        raise group.exceptions[0] from group.exceptions[0].__cause__  # noqa: ASYNC123
