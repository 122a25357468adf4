"""Kept HTTP/1.1 connections to the consensus node.

Go's server closes an idle connection after a while, perhaps in the moment in which the
next request is written; then nothing comes back, and the request is made once more on a
new connection. The caller is told, since what it asked for may have been done twice.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import h11
import trio

# Answers to broadcasts are a few hundred bytes; a log of the application may be longer.
ANSWER_LIMIT = 1024 * 1024
# The oldest engines close an idle connection after 10 s. One that has rested this long is
# not worth the risk.
IDLE_LIMIT = 5.0
_RECEIVE = 64 * 1024


class NodeUnavailable(Exception):
    """There is no answer that could be understood.

    `may_have_arrived`: the request went out, so that the transaction may be committed.
    """

    def __init__(self, reason: str, may_have_arrived: bool) -> None:
        super().__init__(reason, may_have_arrived)
        self.reason = reason
        self.may_have_arrived = may_have_arrived

    def __str__(self) -> str:
        return self.reason


class _NoAnswer(Exception):
    """The connection ended before a byte of the answer."""


class _Connection:
    """One kept connection to the node; one exchange at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.used = False
        self.rested_since = 0.0
        self._http = h11.Connection(h11.CLIENT)

    def fresh(self, now: float) -> bool:
        # Readable while nothing is owed: closed, or a peer that talks out of turn.
        resting = now - self.rested_since
        return resting < IDLE_LIMIT and not self.stream.socket.is_readable()

    async def exchange(self, request: h11.Request, body: bytes) -> bytes:
        """Send a request, return the body of its answer.

        Raises `_NoAnswer` when the peer closed without one, h11's RemoteProtocolError
        when what came is no HTTP.
        """
        http = self._http
        data = http.send(request) + http.send(h11.Data(body))
        http.send(h11.EndOfMessage())
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            # A body that is too big is answered before it is read to its end.
            pass
        answer = bytearray()
        received = False
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    chunk = await self.stream.receive_some(_RECEIVE)
                except trio.BrokenResourceError:
                    chunk = b""
                if not chunk and not received:
                    raise _NoAnswer("the connection was closed without an answer")
                received = True
                http.receive_data(chunk)
            elif isinstance(event, h11.Data):
                answer += event.data
                if len(answer) > ANSWER_LIMIT:
                    raise h11.RemoteProtocolError("an answer that is too long")
            elif isinstance(event, h11.EndOfMessage):
                return bytes(answer)

    def ready_again(self) -> bool:
        """Whether another exchange may follow on this connection."""
        if self._http.trailing_data[0]:
            return False
        try:
            self._http.start_next_cycle()
        except h11.LocalProtocolError:
            return False
        self.used = True
        return True


class NodeConnections:
    """At most `max_connections` to one node, each request within `timeout` seconds.

    Requests beyond that number wait in line, on the same deadline.
    """

    def __init__(self, url: str, *, max_connections: int, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(
                f"the node's address must be http://host:port, not {url!r}"
            )
        self._url = url
        self._host = parts.hostname
        self._port = parts.port or 80
        self._target = (parts.path or "/").encode("ascii")
        self._headers = [
            (b"host", parts.netloc.rpartition("@")[2].encode("ascii")),
            (b"content-type", b"application/json"),
        ]
        self._timeout = timeout
        self._limit = trio.CapacityLimiter(max_connections)
        self._resting: list[_Connection] = []
        self._closed = False

    async def post(self, body: bytes) -> tuple[bytes, bool]:
        """The body of the answer, and whether the request was made a second time.

        Raises `NodeUnavailable`.
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
            raise NodeUnavailable(f"{self._url}: {error}", sent) from error
        except trio.TooSlowError as error:
            reason = f"{self._url}: no answer within {self._timeout:g} s"
            raise NodeUnavailable(reason, sent) from error
        except (_NoAnswer, h11.RemoteProtocolError) as error:
            raise NodeUnavailable(f"{self._url}: {error}", True) from error

    async def aclose(self) -> None:
        """Close the resting connections; requests that are under way still end."""
        self._closed = True
        while self._resting:
            await trio.aclose_forcefully(self._resting.pop().stream)

    def _request(self, body: bytes) -> h11.Request:
        headers = [
            *self._headers,
            (b"content-length", str(len(body)).encode("ascii")),
        ]
        return h11.Request(method=b"POST", target=self._target, headers=headers)

    async def _connected(self) -> _Connection:
        while self._resting:
            connection = self._resting.pop()
            if connection.fresh(trio.current_time()):
                return connection
            await trio.aclose_forcefully(connection.stream)
        return await self._connect()

    async def _connect(self) -> _Connection:
        return _Connection(await trio.open_tcp_stream(self._host, self._port))

    async def _exchange(self, connection: _Connection, body: bytes) -> bytes:
        """Send one request and read its answer; the connection rests or is closed then."""
        keep = False
        try:
            text = await connection.exchange(self._request(body), body)
            keep = connection.ready_again() and not self._closed
        finally:
            if not keep:
                await trio.aclose_forcefully(connection.stream)
        if keep:
            connection.rested_since = trio.current_time()
            self._resting.append(connection)
        return text
