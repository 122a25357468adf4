"""Posting and counting by hand, on raw streams: load for a benchmark of the whole chain.

Who posts and who counts share the machine's cores with what is measured, so nothing here is
parsed that need not be. For everything else there is `http_client`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from scripts.daemon_process import RunningDaemon

CONNECTIONS = 8


class Wire:
    """A stream that is read line-free: so many bytes, or up to a mark."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            await self._more()
        return self._take(at + len(mark))

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more()
        return self._take(count)

    async def _more(self) -> None:
        data = await self._stream.receive_some(65536)
        if not data:
            raise trio.BrokenResourceError("closed in the middle of a benchmark")
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Wire(stream)


def post(target: str, body: bytes) -> bytes:
    head = (
        f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(connection: Wire) -> bytes:
    """The status line and body of the next answer, which has to have a Content-Length."""
    head = (await connection.until(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return head.split(b"\r\n")[0] + b"\n" + await connection.exactly(length)


async def post_all(
    port: int, requests: Sequence[bytes], good: bytes, connections: int = CONNECTIONS
) -> None:
    """Post over so many kept-alive connections, each waiting for its answers."""

    async def one(share: Sequence[bytes]) -> None:
        async with wire(port) as connection:
            for request in share:
                await connection.send(request)
                said = await answer(connection)
                if good not in said:
                    raise RuntimeError(f"not accepted: {said!r}")

    async with trio.open_nursery() as nursery:
        for start in range(connections):
            nursery.start_soon(one, requests[start::connections])


@asynccontextmanager
async def subscribed(daemon: RunningDaemon) -> AsyncIterator[Wire]:
    """A subscriber's connection, its handshake done."""
    address = urlsplit(daemon.stream)
    async with wire(address.port or 80) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        await connection.send(
            f"GET {address.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await connection.until(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(f"not subscribed: {head!r}")
        yield connection


async def next_event(connection: Wire) -> bytes:
    """The text of the next event; other frames are passed over."""
    while True:
        kind, length = await connection.exactly(2)
        if length == 126:
            length = int.from_bytes(await connection.exactly(2))
        payload = await connection.exactly(length)
        if kind == 0x81:
            return payload
        if kind == 0x88:
            raise RuntimeError("the daemon closed the stream")
