"""Kept HTTP/1.1 connections to the consensus engine.

Go's server closes an idle connection after a while, perhaps at the moment in which the next request
is written; then no answer comes, and the request is repeated on a new connection. The caller learns
of that, because what it asked for may have been done twice.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

import h11
import trio

ANSWER_LIMIT = 64 * 1024
"""In bytes. Answers to broadcasts have a few hundred each, with the log of our own application; ten
come at once. They are read in one step of the event loop."""
IDLE_LIMIT = 5.0
"""In seconds. The oldest engines close a connection after 10 idle seconds; one that has been idle
for this long is not worth the risk."""
_RECEIVE = 64 * 1024

# The usual answer, recognised by its bytes; h11, which takes ten times as long, reads all others.
_PLAIN = re.compile(
    rb"HTTP/1\.1 200 OK\r\n(?:(?!Connection|Transfer-Encoding|Content-Length)"
    rb"[0-9A-Za-z-]+: [ -~]*\r\n)*Content-Length: ([0-9]{1,6})\r\n"
    rb"(?:(?!Connection|Transfer-Encoding|Content-Length)[0-9A-Za-z-]+: [ -~]*\r\n)*\r\n",
    re.IGNORECASE,
)


class EngineUnavailable(Exception):
    """There was no answer, or none that could be understood.

    `may_have_arrived`: the request went out, so the transaction may still be committed.
    `is_busy`: the engine did not answer in time or could not be reached; it may later.
    """

    def __init__(
        self, reason: str, may_have_arrived: bool, is_busy: bool = False
    ) -> None:
        super().__init__(reason, may_have_arrived, is_busy)
        self.reason = reason
        self.may_have_arrived = may_have_arrived
        self.is_busy = is_busy

    def again(self) -> EngineUnavailable:
        """A copy for another caller: a raised error holds the frames that it passed."""
        return EngineUnavailable(self.reason, self.may_have_arrived, self.is_busy)

    def __str__(self) -> str:
        return self.reason


class _NoAnswer(Exception):
    """The connection ended before the first byte of an answer."""


class RpcConnection:
    """One kept connection to the engine; one exchange at a time."""

    def __init__(
        self, stream: trio.SocketStream, answer_limit: int = ANSWER_LIMIT
    ) -> None:
        self.stream = stream
        self._answer_limit = answer_limit
        self.used = False
        self.rested_since = 0.0
        self._is_ready = False

    def fresh(self, now: float) -> bool:
        # Readable while no answer is due: it was closed, or the peer talks out of turn.
        resting = now - self.rested_since
        return resting < IDLE_LIMIT and not self.stream.socket.is_readable()

    async def exchange(self, request: bytes) -> bytes:
        """Send a request, return the body of its answer.

        Raises `_NoAnswer` if the peer closed without one, and h11's RemoteProtocolError if the
        answer is not HTTP.
        """
        self._is_ready = False
        try:
            await self.stream.send_all(request)
        except trio.BrokenResourceError:
            # A body that is too large is answered before it is completely read.
            pass
        data = await self._receive()
        if not data:
            raise _NoAnswer("the connection was closed without an answer")
        found = _PLAIN.match(data)
        if found is not None and len(data) == found.end() + int(found[1]):
            self.used = self._is_ready = True
            return data[found.end() :]
        return await self._parse(data)

    def ready_again(self) -> bool:
        """Whether another exchange may follow on this connection."""
        return self._is_ready

    async def _receive(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some(_RECEIVE))
        except trio.BrokenResourceError:
            return b""

    async def _parse(self, data: bytes) -> bytes:
        """The body of the answer that begins with `data`."""
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method=b"POST", target=b"/", headers=[(b"host", b"")]))
        http.send(h11.EndOfMessage())
        http.receive_data(data)
        answer = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await self._receive())
            elif isinstance(event, h11.Data):
                answer += event.data
                if len(answer) > self._answer_limit:
                    raise h11.RemoteProtocolError("the answer is too long")
            elif isinstance(event, h11.EndOfMessage):
                break
        self._is_ready = not http.trailing_data[0] and http.their_state is h11.DONE
        self.used = self.used or self._is_ready
        return bytes(answer)


class RpcStatistics(NamedTuple):
    """What `RpcConnections.statistics` returns."""

    busy: int
    """Connections that a request is using."""
    idle: int
    """Connections that are open and kept for the next request."""


class RpcConnections:
    """At most `max_connections` to one engine; each request takes at most `timeout` seconds.

    More requests than that wait in line, within the same deadline.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int,
        timeout: float,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(
                f"the engine's address must be http://host:port, not {url!r}"
            )
        self._url = url
        self._host = parts.hostname
        self._port = parts.port or 80
        host = parts.netloc.rpartition("@")[2]
        self._head = (
            f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode("ascii")
        self._timeout = timeout
        self._answer_limit = answer_limit
        self._limit = trio.CapacityLimiter(max_connections)
        self._resting: list[RpcConnection] = []
        self._closed = False

    def statistics(self) -> RpcStatistics:
        return RpcStatistics(int(self._limit.borrowed_tokens), len(self._resting))

    async def post(self, body: bytes) -> tuple[bytes, bool]:
        """The body of the answer, and whether the request was repeated.

        Raises `EngineUnavailable`.
        """
        sent = False
        try:
            with trio.fail_after(self._timeout):
                async with self._limit:
                    connection = await self._connected()
                    sent = True
                    try:
                        return await self._exchange(connection, body), False
                    except _NoAnswer:
                        if not connection.used:
                            raise
                        return await self._exchange(await self._connect(), body), True
        except OSError as error:
            reason = f"{self._url}: {error}"
            raise EngineUnavailable(reason, sent, True) from error
        except trio.TooSlowError as error:
            reason = f"{self._url}: no answer within {self._timeout:g} s"
            raise EngineUnavailable(reason, sent, True) from error
        except (_NoAnswer, h11.RemoteProtocolError) as error:
            raise EngineUnavailable(f"{self._url}: {error}", True) from error

    async def aclose(self) -> None:
        """Close the idle connections; requests in flight still finish."""
        self._closed = True
        while self._resting:
            await trio.aclose_forcefully(self._resting.pop().stream)

    async def _connected(self) -> RpcConnection:
        while self._resting:
            connection = self._resting.pop()
            if connection.fresh(trio.current_time()):
                return connection
            await trio.aclose_forcefully(connection.stream)
        return await self._connect()

    async def _connect(self) -> RpcConnection:
        stream = await trio.open_tcp_stream(self._host, self._port)
        return RpcConnection(stream, self._answer_limit)

    async def _exchange(self, connection: RpcConnection, body: bytes) -> bytes:
        """Send one request and read its answer; then keep the connection, or close it."""
        keep = False
        try:
            head = self._head + b"%d\r\n\r\n" % len(body)
            text = await connection.exchange(head + body)
            keep = connection.ready_again() and not self._closed
        finally:
            if not keep:
                await trio.aclose_forcefully(connection.stream)
        if keep:
            connection.rested_since = trio.current_time()
            self._resting.append(connection)
        return text
