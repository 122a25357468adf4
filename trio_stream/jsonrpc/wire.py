"""The WebSocket of one client, without its socket: bytes to messages, and what else is sent.

Unlike a subscriber of the streams, a client here has something to say. Its messages are bounded
before they are kept.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from email.utils import formatdate
from typing import Final, NamedTuple

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
)

from trio_stream import __version__
from trio_stream.stream.frames import close_frame

MESSAGE_LIMIT: Final = 1_000_000
"""Bytes of a call, as in the engine."""

GOING_AWAY, NOT_ALLOWED, TOO_BIG, NO_ANSWER = 1001, 1008, 1009, 1011
_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 4.2.2
_NO_CODE: Final = 1005
_CLOSE: Final = b"\x88\x00"


class Said(NamedTuple):
    """A message that the client has finished."""

    text: str


class Answer(NamedTuple):
    """Bytes that the protocol wants to be sent."""

    data: bytes


class Ended(NamedTuple):
    """The end: what is sent last, and why."""

    data: bytes
    reason: str


def switching(key: str, protocol: str | None) -> bytes:
    """The answer to a valid upgrade."""
    accept = base64.b64encode(hashlib.sha1(key.encode() + _SALT).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else ()),
        f"Date: {formatdate(usegmt=True)}",
        f"Server: trio_stream/{__version__}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


class Wire:
    """What a client sends, one step after the other. After `Ended` there is no more."""

    def __init__(self) -> None:
        self._protocol = Connection(ConnectionType.SERVER)
        self._parts: list[str | bytes] = []
        self._size = 0

    def receive_data(self, data: bytes) -> Iterator[Said | Answer | Ended]:
        """Read what came from the client."""
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            if isinstance(event, Message):
                self._size += len(event.data)
                if self._size > MESSAGE_LIMIT:
                    yield _violation(TOO_BIG)
                    return
                if event.data or not self._parts:
                    # Of those without anything in them there may be any number.
                    self._parts.append(event.data)
                if event.message_finished:
                    yield Said(self._text(isinstance(event, BytesMessage)))
            elif isinstance(event, Ping):
                yield Answer(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                    # One without a code is answered with one without.
                    said = _CLOSE if event.code == _NO_CODE else close_frame(event.code)
                    yield Ended(said, f"closed by the client: {int(event.code)}")
                else:
                    yield _violation(event.code)
                return
            else:
                assert isinstance(event, Pong)

    def _text(self, is_binary: bool) -> str:
        """The message: what is no UTF-8 is read as the engine reads it."""
        parts, self._parts, self._size = self._parts, [], 0
        if is_binary:
            whole = b"".join(each for each in parts if not isinstance(each, str))
            return whole.decode("utf-8", "replace")
        return "".join(each for each in parts if isinstance(each, str))


def _violation(code: int) -> Ended:
    return Ended(close_frame(code), f"the client broke the protocol: {int(code)}")
