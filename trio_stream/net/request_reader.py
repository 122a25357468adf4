"""h11, plus what RFC 9112 asks of a server beyond it; both doors read requests with it.

Empty lines before a request are skipped. A request that comes out of here is acceptable
(`request_head`), and its target is a path with its query. For any other request `next_event` raises
`h11.RemoteProtocolError` with the status to answer; close the connection after that answer.
"""

from __future__ import annotations

from typing import NamedTuple

import h11

from trio_stream.net import request_head
from trio_stream.net.request_head import Unacceptable

# Old clients send an empty line after a body (RFC 9112 §2.2). More is not skipped, or a client that
# sends nothing else would never have to finish a head.
_SKIPPED_BYTES = 16


class Head(NamedTuple):
    """A request that was read, and what its sender sent after it."""

    request: h11.Request
    early: bytes


class RequestReader(h11.Connection):
    """The server's end of a connection."""

    def __init__(self, *, head_limit: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=head_limit)
        self._head_limit = head_limit
        self._begun = False
        self._skipped = 0
        self.head_only = False
        """Was the last request a HEAD, as far as it could be read?"""
        self.origin: str | None = None
        """The `Origin` of the last request."""
        self.why = ""
        """What was wrong with the last request."""

    def receive_data(self, data: bytes) -> None:
        """As h11's. Line ends before a request are dropped."""
        if data and not self._begun:
            rest = data.lstrip(b"\r\n")
            self._skipped += len(data) - len(rest)
            if self._skipped <= _SKIPPED_BYTES:
                if not rest:
                    return
                data = rest
        self._begun = True
        super().receive_data(data)

    def start_next_cycle(self) -> None:
        """As h11's."""
        super().start_next_cycle()
        rest, closed = self.trailing_data
        self._begun = bool(rest)
        self._skipped = 0
        if rest.startswith((b"\r", b"\n")):
            # h11 keeps what it has received, so the rest begins a connection of its own.
            RequestReader.__init__(self, head_limit=self._head_limit)
            self.receive_data(rest)
            if closed:
                self.receive_data(b"")

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11's; raises `h11.RemoteProtocolError` for anything but an acceptable request."""
        if self.their_state is h11.MUST_CLOSE and self.trailing_data[0]:
            # Bytes after a request that closes its connection are not one (RFC 9112 §9.6).
            return h11.NEED_DATA
        begins = self.their_state is h11.IDLE
        head = self.trailing_data[0] if begins else b""
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                return self._judged(event)
            return event
        except Unacceptable as error:
            status, self.why = error.status, error.why
        except h11.RemoteProtocolError as error:
            error.__traceback__ = None  # a frame of h11's holds its own error
            status = 400
            if begins:
                self.head_only = head.startswith(b"HEAD ")
                hint = error.error_status_hint
                status = request_head.status_of_unreadable(head, hint)
            self.why = request_head.TEXTS[status]
        raise h11.RemoteProtocolError(self.why, error_status_hint=status)

    def judge(self, request: h11.Request) -> None:
        """Check what else a door demands of a request; raises `Unacceptable`."""

    def _judged(self, request: h11.Request) -> h11.Request:
        self.head_only = request.method == b"HEAD"
        fields = list(request.headers)
        self.origin = dict(fields).get(b"origin", b"").decode("latin-1") or None
        # h11 does not apply its own limit to a head that arrives in one piece.
        size = len(request.target) + sum(len(n) + len(v) + 4 for n, v in fields)
        if size > self._head_limit:
            status = 414 if len(request.target) > self._head_limit else 431
            raise Unacceptable(status, request_head.TEXTS[status])
        resource = request_head.judge(
            request.method, request.target, request.http_version, fields
        )
        if resource.target != request.target:
            if resource.host is not None:
                fields = [(n, v) for n, v in fields if n != b"host"]
                fields.insert(0, (b"host", resource.host))
            request = h11.Request(
                method=request.method,
                target=resource.target,
                headers=fields,
                http_version=request.http_version,
            )
        self.judge(request)
        return request
