"""A subscriber's request for an upgrade, and the answer if it is rejected.

The rules, their order and their texts are those of BigchainDB's event server, byte for
byte, because programs match on them. There is one difference: the right path without any
upgrade header is answered with 426 and a hint, since that is somebody with a browser or curl.
A valid upgrade may use HEAD as well as GET; offers of extensions are ignored, and so are those of
subprotocols, unless they are for tokens (`subprotocols`). `request` reads the query string. The
head is read, and the answer written, elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trio_stream.stream.admission import TooMany
from trio_stream.stream.query_string import wants_notices
from trio_stream.stream.resume import ResumeRefused
from trio_stream.stream.selection import STREAMS_PATH, Stream
from trio_stream.stream.streams import Streams
from trio_stream.stream.subprotocols import read_offers

STREAM_PATH = (STREAMS_PATH + Stream.VALID_TRANSACTIONS.value).encode("ascii")

_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    414: "URI Too Long",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
# Which version a client of another one may try (RFC 6455 §4.4).
_VERSION = {"Sec-WebSocket-Version": "13"}
_LISTS = (b"connection", b"sec-websocket-protocol")


@dataclass(frozen=True, slots=True)
class Rejection:
    """An answer instead of an upgrade."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/plain; charset=utf-8"

    def encode(self, *, server: str, date: str, head_only: bool = False) -> bytes:
        """The HTTP response, after which the connection is to be closed."""
        # The text may contain what a client sent, which need not be UTF-8.
        body = self.text.encode("utf-8", "backslashreplace")
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Bad Request')}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(body)}",
            f"Date: {date}",
            f"Server: {server}",
            # Upgrade is a header of the connection, and has to be listed as one (RFC 9110 §7.8).
            f"Connection: {'Upgrade, ' if 'Upgrade' in self.headers else ''}close",
        ]
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        return head if head_only else head + body


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What matters of a valid request."""

    key: str
    stream: str
    """Its name."""
    query: str = ""
    protocol: str | None = None
    """The subprotocol to accept."""

    def encode(self) -> bytes:
        """The request in a form that any WebSocket library understands."""
        lines = [
            f"GET {STREAM_PATH.decode('ascii')} HTTP/1.1",
            "Host: localhost",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {self.key}",
        ]
        if self.protocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {self.protocol}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


def unreadable(status: int) -> Rejection:
    """The answer to a malformed request."""
    return Rejection(status, f"{status}: {_REASONS[status]}")


def judge(
    method: bytes,
    target: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    version: bytes = b"1.1",
    *,
    streams: Streams[Any],
    others: Container[str] = (),
) -> Upgrade | Rejection:
    """Judge a request. Names of headers are in lower case.

    `others` are the paths of other protocols; such a path stands for a stream's name then.
    """
    path, _, query = target.partition(b"?")
    place, asked = path.decode("latin-1"), query.decode("latin-1")
    stream = place if place in others else streams.at(place)
    if stream is None:
        misplaced = streams.misplaced(place)
        if misplaced is None:
            return Rejection(404, "404: Not Found")
        # Browsers show no answers: those are told by a notice.
        if not wants_notices(asked):
            text = misplaced.decode("ascii")
            return Rejection(404, text, content_type="application/json")
        stream = place.removeprefix(STREAMS_PATH)
    if method not in (b"GET", b"HEAD"):
        return Rejection(405, "405: Method Not Allowed", {"Allow": "GET,HEAD"})
    values: dict[bytes, str] = {}
    for name, value in headers:
        text = value.decode("utf-8", "surrogateescape")
        if name in _LISTS and name in values:
            text = f"{values.pop(name)}, {text}"  # one list (RFC 9110 §5.3)
        values.setdefault(name, text)
    if version < b"1.1":
        values.pop(b"upgrade", None)  # HTTP/1.0 has none (RFC 9110 §7.8)
    key = _judge_upgrade(values)
    if isinstance(key, Rejection):
        return key
    offered = read_offers(values.get(b"sec-websocket-protocol", ""))
    return Upgrade(key, stream, asked, offered.accepted)


def refusal(refused: ResumeRefused) -> Rejection:
    """The answer to a client that cannot begin where it asks."""
    headers = {}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    text = refused.body().decode("ascii")
    return Rejection(refused.status, text, headers, "application/json")


def full(limit: TooMany) -> Rejection:
    """The answer to a client that is one too many."""
    headers = {"Retry-After": str(limit.retry_after)}
    return Rejection(limit.status, f"{limit.status}: {limit.message}", headers)


def _judge_upgrade(headers: Mapping[bytes, str]) -> str | Rejection:
    """The key of a valid upgrade."""
    upgrade = headers.get(b"upgrade")
    if upgrade is None:
        return Rejection(
            426,
            "426: Upgrade Required\nThis is a WebSocket: connect with ws:// or wss://,"
            " for instance by websocat.",
            {"Upgrade": "websocket"},
        )
    if upgrade.strip().lower() != "websocket":
        return Rejection(
            400,
            f'No WebSocket UPGRADE hdr: {upgrade}\n Can "Upgrade" only to "WebSocket".',
        )
    connection = headers.get(b"connection")
    if connection is None or "upgrade" not in connection.lower():
        return Rejection(400, f"No CONNECTION upgrade hdr: {connection}")
    version = headers.get(b"sec-websocket-version", "")
    if version != "13":
        return Rejection(400, f"Unsupported version: {version}", _VERSION)
    key = headers.get(b"sec-websocket-key")
    if not _is_key(key):
        return Rejection(400, f"Handshake error: {key!r}")
    assert key is not None
    return key


def _is_key(key: str | None) -> bool:
    """Is this the base64 of 16 bytes?"""
    # Lenient, like the reference: characters outside the alphabet are skipped.
    try:
        return key is not None and len(base64.b64decode(key)) == 16
    except ValueError:
        return False
