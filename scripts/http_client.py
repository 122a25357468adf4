"""A small HTTP/1.1 client on Trio, for the programs around the daemon and the tests.

One connection that is kept alive, one request at a time, the whole answer in memory. It exists
because these programs talk to the daemon and to engines while other tasks run in the same nursery.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import trio


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ClientConnection:
    """A connection to one server; if an answer closes it, the next request fails."""

    def __init__(self, stream: trio.abc.Stream, host: str) -> None:
        self._stream = stream
        self._host = host
        self._http = h11.Connection(h11.CLIENT)

    async def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
    ) -> Response:
        headers = [("Host", self._host), ("Content-Length", str(len(body)))]
        if body:
            headers.append(("Content-Type", content_type))
        request = h11.Request(method=method, target=target, headers=headers)
        pieces = [
            self._http.send(request),
            self._http.send(h11.Data(body)) if body else b"",
            self._http.send(h11.EndOfMessage()),
        ]
        await self._stream.send_all(b"".join(piece or b"" for piece in pieces))
        return await self._answer()

    async def _answer(self) -> Response:
        status = 0
        headers: dict[str, str] = {}
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await self._stream.receive_some()))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {k.decode(): v.decode("latin-1") for k, v in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise trio.BrokenResourceError("closed before the answer was complete")
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return Response(status, headers, bytes(body))


@asynccontextmanager
async def connect(host: str, port: int) -> AsyncIterator[ClientConnection]:
    """A connection that is kept alive; raises OSError if nobody listens."""
    async with await trio.open_tcp_stream(host, port) as stream:
        yield ClientConnection(stream, f"{host}:{port}")


async def fetch(
    host: str, port: int, method: str, target: str, body: bytes = b""
) -> Response:
    """Make one request on its own connection.

    Raises OSError or trio.BrokenResourceError if the server is away, and h11's RemoteProtocolError
    if the peer is not an HTTP server.
    """
    async with connect(host, port) as connection:
        return await connection.request(method, target, body)
