"""One HTTP/1.1 connection: requests in, ASGI calls out, answers back in one write.

The application is called in the connection's own task, one request after the other, and
takes the body as it asks for it. That makes a request cost a third of what it costs in
hypercorn, which gives each a nursery, two tasks, two memory channels and three writes;
and every wait is bounded here, with no shield anywhere, so that a peer can hold its own
connection up and nothing else, and a cancelled server stops.

A request to change the protocol (`Upgrade`, `h2c`) is answered as if it did not ask.
After an answer whose request was not read to its end the connection lingers: closed at
once, the unread bytes would reset it, and the answer would be lost on its way.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import h11
import trio

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Scope = dict[str, Any]
App = Callable[
    [Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

_RECEIVE = 64 * 1024
# A stalled peer is noticed when a slice of this size does not go out.
_SLICE = 64 * 1024
# What is read past without anybody wanting it, so that a connection can be used again.
_DRAIN = 4 * 1024 * 1024

_PHRASES = {int(s): s.phrase.upper().encode("ascii") for s in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may take: seconds, and bytes of a request's head."""

    head_bytes: int = 16 * 1024
    head_timeout: float = 10.0
    keep_alive: float = 75.0
    # Without a byte of the body.
    body_timeout: float = 30.0
    # Without a byte of the answer accepted.
    stall_timeout: float = 60.0
    linger: float = 2.0


class PeerGone(Exception):
    """The peer closed, or does not take or give what it owes; nobody is left to answer."""


class HttpConnection:
    """Serves one peer until it closes, breaks the protocol, or the server stops."""

    def __init__(
        self,
        app: App,
        stream: trio.abc.Stream,
        scope: Mapping[str, object],
        *,
        limits: Limits,
        server: bytes,
    ) -> None:
        self._app = app
        self._stream = stream
        self._scope = scope
        self._limits = limits
        self._server = server
        self._http = h11.Connection(
            h11.SERVER, max_incomplete_event_size=limits.head_bytes
        )
        self._waiting = trio.CancelScope()
        self._stopping = False
        self._held_back = False

    def stop(self) -> None:
        """End when the request in hand is answered; at once if there is none."""
        self._stopping = True
        self._waiting.cancel()

    async def run(self) -> None:
        """Serve until the connection is over; the stream is the caller's to close."""
        try:
            while not self._stopping and (request := await self._next_request()):
                exchange = _Exchange(self, request)
                try:
                    await self._app(
                        exchange.scope(self._scope), exchange.receive, exchange.send
                    )
                except (PeerGone, h11.RemoteProtocolError):
                    raise
                except Exception:
                    logger.exception("the application failed")
                    await self._refuse(500)
                    return
                if not await self._recycle():
                    return
        except h11.RemoteProtocolError as error:
            logger.debug("malformed request: %s", error)
            await self._refuse(error.error_status_hint)
        except PeerGone as error:
            logger.debug("peer gone: %s", error)

    async def _next_request(self) -> h11.Request | None:
        """The next request's head; None if none comes."""
        self._waiting = trio.CancelScope(
            deadline=trio.current_time() + self._limits.keep_alive
        )
        begun = False
        with self._waiting:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    if event.http_version not in (b"1.0", b"1.1"):
                        # HTTP/2 begins with a request of its own version.
                        raise h11.RemoteProtocolError("version", error_status_hint=505)
                    return event
                if event is not h11.NEED_DATA:
                    return None
                self._http.receive_data(await self._receive())
                if not begun:
                    begun = True
                    self._waiting.deadline = (
                        trio.current_time() + self._limits.head_timeout
                    )
        return None

    async def _recycle(self) -> bool:
        """Make ready for the next request; False if there can be none."""
        http = self._http
        if http.our_state in (h11.IDLE, h11.SEND_RESPONSE, h11.SEND_BODY):
            logger.error("the application did not finish its answer")
            await self._refuse(500)
            return False
        if not await self._drain():
            await self._linger()
            return False
        try:
            http.start_next_cycle()
        except h11.LocalProtocolError:
            return False
        return True

    async def _drain(self) -> bool:
        """Read past what is left of the request; False if that is too much."""
        http = self._http
        left = _DRAIN
        with trio.move_on_after(self._limits.linger):
            while http.their_state is h11.SEND_BODY:
                if http.next_event() is h11.NEED_DATA:
                    data = await self._receive()
                    left -= len(data)
                    # Who waits for "100 Continue" will not send it any more.
                    if left < 0 or self._held_back:
                        return False
                    http.receive_data(data)
        return http.their_state is not h11.SEND_BODY

    async def _linger(self) -> None:
        with trio.move_on_after(self._limits.linger):
            try:
                if isinstance(self._stream, trio.abc.HalfCloseableStream):
                    await self._stream.send_eof()
                while await self._stream.receive_some(_RECEIVE):
                    pass
            except trio.BrokenResourceError:
                pass

    async def _refuse(self, status: int) -> None:
        """Answer for the application, and let it be the last answer here."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        title = HTTPStatus(status).phrase
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        body = page.encode("ascii")
        headers = [
            (b"connection", b"close"),
            (b"content-type", b"text/html"),
            (b"content-length", str(len(body)).encode("ascii")),
        ]
        data = self.head(status, headers) + self.rest(body, more=False)
        try:
            await self.write(data)
            await self._linger()
        except PeerGone:
            pass

    def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The head of the answer."""
        self._held_back = self._http.they_are_waiting_for_100_continue
        all_headers = [
            *headers,
            (b"date", formatdate(usegmt=True).encode("ascii")),
            (b"server", self._server),
        ]
        if self._stopping:
            all_headers.append((b"connection", b"close"))
        return self._http.send(
            h11.Response(
                status_code=status,
                headers=all_headers,
                reason=_PHRASES.get(status, b""),
            )
        )

    def rest(self, body: bytes, *, more: bool) -> bytes:
        """A piece of the answer's body, and its end unless there is more."""
        data = self._http.send(h11.Data(body)) if body else b""
        return data if more else data + self._http.send(h11.EndOfMessage())

    async def write(self, data: bytes) -> None:
        """Send; raises `PeerGone` when the peer is, or has stopped reading."""
        view = memoryview(data)
        try:
            for start in range(0, len(data), _SLICE):
                with trio.fail_after(self._limits.stall_timeout):
                    await self._stream.send_all(view[start : start + _SLICE])
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            raise PeerGone("it does not take its answer") from error

    async def next_body(self) -> Message:
        """What has come of the body, as the ASGI message; waits if nothing has."""
        http = self._http
        if http.their_state is not h11.SEND_BODY:
            # ASGI would tell of the peer's end here. Nobody reads beside the handler, so
            # that is noticed when the answer is written.
            await trio.sleep_forever()
        if http.they_are_waiting_for_100_continue:
            await self.write(
                http.send(
                    h11.InformationalResponse(
                        status_code=100, headers=[], reason=b"CONTINUE"
                    )
                )
            )
        body = b""
        while True:
            event = http.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return {"type": "http.request", "body": body, "more_body": False}
            elif body:
                return {"type": "http.request", "body": body, "more_body": True}
            else:
                with trio.move_on_after(self._limits.body_timeout) as patience:
                    http.receive_data(await self._receive())
                if patience.cancelled_caught:
                    raise PeerGone("it does not send its request")

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(_RECEIVE))
        except trio.BrokenResourceError as error:
            raise PeerGone("it reset the connection") from error


class _Exchange:
    """One request and its answer, as the application sees them."""

    def __init__(self, connection: HttpConnection, request: h11.Request) -> None:
        self._connection = connection
        self._request = request
        self._head = b""
        self._bodiless = request.method == b"HEAD"

    def scope(self, connection_scope: Mapping[str, object]) -> Scope:
        request = self._request
        path, _, query = request.target.partition(b"?")
        return {
            **connection_scope,
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode("ascii"),
            "method": request.method.decode("ascii"),
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
        }

    async def receive(self) -> Message:
        return await self._connection.next_body()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # Kept, so that head and body leave together.
            self._head = self._connection.head(message["status"], message["headers"])
            return
        body = b"" if self._bodiless else message.get("body", b"")
        data = self._head + self._connection.rest(
            body, more=message.get("more_body", False)
        )
        self._head = b""
        await self._connection.write(data)
