"""Hypercorn's HTTP/1.1, with this server's decisions on what it leaves open.

HTTP/2 is left to a proxy in front. A client gets it neither by `Upgrade: h2c` nor by starting with
it, since one such connection may cause any amount of work without waiting for an answer. Upgrades
are ignored, as RFC 9110 §7.8 allows, except to WebSocket: a request for that ends what this server
has to do with its connection, if it is for a stream.
An invalid request is answered with the same JSON and CORS headers as other errors, and its
connection is closed.
"""

from __future__ import annotations

from urllib.parse import unquote

import h11
from hypercorn.protocol.h11 import H11Protocol

from trio_stream.access.guard import fields_of
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.body import READ_PAST
from trio_stream.http.permits import PeerPermits
from trio_stream.net.request_head import Unacceptable
from trio_stream.net.request_reader import Head, RequestReader

_NO_WEBSOCKET = "No WebSocket is served here; `streams` of /api/v1 says where."


class HttpReader(RequestReader):
    """Reads requests, and refuses those that this server does not answer."""

    def __init__(
        self,
        *,
        head_limit: int,
        max_body_bytes: int,
        upgrades: tuple[bytes, ...] = (),
        permits: PeerPermits | None = None,
    ) -> None:
        super().__init__(head_limit=head_limit)
        self._max_body_bytes = max_body_bytes
        self._upgrades = upgrades
        self._permits = permits
        # Of a request whose body has no length, the fields.
        self._uncounted: dict[bytes, bytes] | None = None
        self.is_judged = False
        """Is the next request known to be allowed?"""
        self.refusal: HttpAnswer | None = None
        """Why the last request is not answered, if it is not allowed."""
        self.upgrade: Head | None = None
        """A request for an upgrade that this server does not answer."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11's."""
        event = super().next_event()
        if self._uncounted is not None and isinstance(event, h11.Data):
            assert self._permits is not None
            self._permits.count_body(self._uncounted, len(event.data))
        return event

    def judge(self, request: h11.Request) -> None:
        fields = dict(request.headers)
        upgrade = fields.get(b"upgrade", b"").lower()
        is_upgrade = upgrade == b"websocket" and request.method == b"GET"
        if is_upgrade and request.target.startswith(self._upgrades):
            # Whether it is allowed is judged where it is answered.
            self.upgrade = Head(request, self.trailing_data[0])
            raise Unacceptable(404, _NO_WEBSOCKET)
        if self._permits is not None:
            self._ask(self._permits, request)
        most = self._max_body_bytes if request.method == b"POST" else READ_PAST
        # Refused before the body arrives, instead of a 100 (RFC 9110 §10.1.1).
        if int(fields.get(b"content-length", 0)) > most:
            raise Unacceptable(413, "")
        if is_upgrade:
            raise Unacceptable(404, _NO_WEBSOCKET)

    def _ask(self, permits: PeerPermits, request: h11.Request) -> None:
        fields = fields_of(request.headers)
        method = request.method.decode("ascii")
        path = unquote(request.target.partition(b"?")[0].decode("ascii"))
        if not self.is_judged:
            self.refusal = permits.judge(method, path, fields)
            if self.refusal is not None:
                raise Unacceptable(self.refusal.status, "")
        self.is_judged = False
        is_counted = method != "POST" or b"content-length" in fields
        self._uncounted = None if is_counted else fields


class HttpProtocol(H11Protocol):
    """Replaces the protocol that hypercorn has made for a connection."""

    def __init__(
        self,
        made: H11Protocol,
        *,
        max_body_bytes: int,
        upgrades: tuple[bytes, ...],
        permits: PeerPermits | None,
    ) -> None:
        super().__init__(
            made.app,
            made.config,
            made.context,
            made.task_group,
            made.connection_state,
            made.ssl,
            made.client,
            made.server,
            made.send,
        )
        self.reader = HttpReader(
            head_limit=made.config.h11_max_incomplete_size,
            max_body_bytes=max_body_bytes,
            upgrades=upgrades,
            permits=permits,
        )
        self.connection = self.reader

    async def _check_protocol(self, event: h11.Request) -> None:
        """Do nothing: here hypercorn would switch to HTTP/2."""

    async def _send_error_response(self, status_code: int) -> None:
        """Answer a request that could not be read or is refused."""
        if self.reader.upgrade is not None:
            return
        answer = self._refusal(status_code)
        fields = [
            ("content-type", answer.content_type),
            ("connection", "close"),
            *answer.more_headers,
            *answers.cors(self.reader.origin),
        ]
        if not self.reader.head_only:
            fields.append(("content-length", str(len(answer.body))))
        headers = [(name.encode("ascii"), v.encode("latin-1")) for name, v in fields]
        headers += self.config.response_headers("h11")
        response = h11.Response(status_code=status_code, headers=headers)
        await self._send_h11_event(response)
        if not self.reader.head_only:
            await self._send_h11_event(h11.Data(data=answer.body))
        await self._send_h11_event(h11.EndOfMessage())

    def _refusal(self, status: int) -> HttpAnswer:
        if self.reader.refusal is not None:
            return self.reader.refusal
        if status == 413:
            return answers.TOO_LARGE
        return answers.framework_error(status, self.reader.why)
