"""A handmade subscriber's connection: the upgrade, and the texts of the frames that arrive.

For programs that measure or check the daemon: it is cheap and uses nothing from the package. It
does not answer Pings, so the daemon closes it once nothing has happened for a while.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

_TEXT, _CLOSE = 0x81, 0x88


class NotUpgraded(Exception):
    """The server did not upgrade; holds the status and the whole answer."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(status, answer)
        self.status = status


class RawStream:
    """What a server sends after the upgrade."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.close_code: int | None = None
        """The code of the Close that ended it, if any."""

    async def upgrade(self, host: str, target: str) -> None:
        """Ask for the stream. Raises NotUpgraded."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self._stream.send_all(
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        end = self._buffer.index(b"\r\n\r\n") + 4
        head = bytes(self._buffer[:end])
        status = int(head.split(b" ", 2)[1])
        if status != 101:
            raise NotUpgraded(status, bytes(self._buffer))
        del self._buffer[:end]

    async def text(self) -> bytes:
        """The next text. Raises trio.EndOfChannel at a Close, or at the end of the bytes."""
        while True:
            kind, payload = await self._frame()
            if kind == _TEXT:
                return payload
            if kind == _CLOSE:
                self.close_code = int.from_bytes(payload[:2])
                raise trio.EndOfChannel

    async def some(self) -> bytes:
        """Bytes as they come, frame headers included. Raises trio.EndOfChannel at their end."""
        if not self._buffer:
            await self._more()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def _frame(self) -> tuple[int, bytes]:
        head = 2
        await self._have(head)
        kind, size = self._buffer[:2]
        if size >= 126:
            head += 2 if size == 126 else 8
            await self._have(head)
            size = int.from_bytes(self._buffer[2:head])
        await self._have(head + size)
        payload = bytes(self._buffer[head : head + size])
        del self._buffer[: head + size]
        return kind, payload

    async def _have(self, size: int) -> None:
        while len(self._buffer) < size:
            await self._more()

    async def _more(self) -> None:
        data = await self._stream.receive_some(65536)
        if not data:
            raise trio.EndOfChannel
        self._buffer += data


@asynccontextmanager
async def open_raw_stream(address: str, target: str) -> AsyncIterator[RawStream]:
    """A stream of the daemon at host:port. Raises OSError, NotUpgraded, and what reading raises."""
    host, _, port = address.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as socket:
        stream = RawStream(socket)
        await stream.upgrade(address, target)
        yield stream
