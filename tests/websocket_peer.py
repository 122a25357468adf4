"""A WebSocket client made by hand, which may be as rude as a test wants."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from typing import Self

import trio
from wsproto.frame_protocol import FrameProtocol, Opcode

PATH = "/api/v1/streams/valid_transactions"
UPGRADE = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def request(
    method: str = "GET", target: str = PATH, headers: Mapping[str, str] = UPGRADE
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A masked frame, with a mask that changes nothing."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([opcode | (0x80 if fin else 0)]) + length + bytes(4) + payload


class Peer:
    """One connection. Frames from the server are checked as they are read."""

    def __init__(self, stream: trio.abc.Stream, raw: trio.socket.SocketType) -> None:
        self.stream = stream
        self.raw = raw
        self.head = b""
        self._protocol = FrameProtocol(client=True, extensions=[])
        self._text = ""
        self._frames: list[tuple[int, object]] = []

    @classmethod
    async def connect(
        cls,
        port: int,
        *,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        raw = trio.socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await raw.connect(("127.0.0.1", port))
        except BaseException:
            raw.close()
            raise
        stream: trio.abc.Stream = trio.SocketStream(raw)
        if tls is not None:
            stream = trio.SSLStream(
                stream, tls, server_hostname="localhost", https_compatible=True
            )
        return cls(stream, raw)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = await self.stream.receive_some(1)
            if not more:
                break
            head += more
        return head

    async def read_all(self) -> bytes:
        """Everything up to the end of the connection."""
        data = b""
        while more := await self.stream.receive_some():
            data += more
        return data

    async def read_some(self, size: int = 65536) -> bool:
        """Take what has come, into frames; False at the end of the connection."""
        data = bytes(await self.stream.receive_some(size))
        self._protocol.receive_bytes(data)
        for found in self._protocol.received_frames():
            if found.opcode is Opcode.TEXT:  # may come in parts
                self._text += str(found.payload)
                if found.message_finished:
                    self._frames.append((TEXT, self._text))
                    self._text = ""
            else:
                self._frames.append((int(found.opcode), found.payload))
        return bool(data)

    async def next(self) -> tuple[int, object]:
        """The next frame: its opcode, and its text, bytes, or code and reason."""
        while not self._frames:
            if not await self.read_some():
                raise trio.EndOfChannel
        return self._frames.pop(0)

    def take(self) -> list[tuple[int, object]]:
        """The frames that have been read and not looked at."""
        frames, self._frames = self._frames, []
        return frames

    def put_back(self, frames: list[tuple[int, object]]) -> None:
        """Look at these again before all others."""
        self._frames[:0] = frames

    async def texts(self, count: int) -> list[str]:
        """The next so many events; whatever else comes is an error, but for Pings."""
        texts: list[str] = []
        while len(texts) < count:
            opcode, payload = await self.next()
            if opcode == PING:
                await self.send(frame(PONG, bytes(payload)))  # type: ignore[call-overload]
            else:
                assert opcode == TEXT, (opcode, payload)
                texts.append(str(payload))
        return texts

    def is_cut(self) -> bool:
        """Has the other side reset the connection?"""
        error: int = self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return error != 0

    def reset(self) -> None:
        """Break off: the other side gets ECONNRESET."""
        if self.raw.fileno() == -1:
            return
        self.raw.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.raw.close()


def garbage(size: int = 200) -> bytes:
    return os.urandom(size)


async def comes_true(found: Callable[[], bool], *, seconds: float) -> bool:
    """Is it found within so many seconds? Looked at every five."""
    looks = int(seconds / 5)
    for _ in range(looks):
        if found():
            return True
        await trio.sleep(5)
    return found()
