"""An engine's RPC over a real socket, which gives the answers that a test prepares."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio

ACCEPTED = {"result": {"code": 0, "data": "", "log": "", "hash": "AB"}}


def internal_error(data: str) -> dict[str, Any]:
    return {"error": {"code": -32603, "message": "Internal error", "data": data}}


class StubRpc:
    """Answers each call with the next of `answers`, or with `ACCEPTED`.

    An answer is a dictionary of the members beside `id` and `jsonrpc`, or bytes that are written
    as they are, or None: then the connection is closed without one. `calls` holds the calls, and
    `batches` the number of calls in each request.
    """

    def __init__(self) -> None:
        self.answers: deque[dict[str, Any] | bytes | None] = deque()
        self.calls: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.connections = 0
        self.most_at_once = 0
        self.hold = trio.Event()
        self.hold.set()
        self.asked = trio.Event()
        self.url = ""
        self._busy = 0
        self._streams: set[trio.SocketStream] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[StubRpc]:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(  # noqa: ASYNC113  # the sockets listen already
                trio.serve_listeners, self._serve, listeners
            )
            port = listeners[0].socket.getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            yield self
            nursery.cancel_scope.cancel()

    async def close_connections(self) -> None:
        for stream in list(self._streams):
            await stream.aclose()

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        self._streams.add(stream)
        http = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while body := await _request(stream, http):
                    answer = await self._answer(json.loads(body))
                    if answer is None:
                        return
                    await stream.send_all(answer)
                    http.send(h11.Response(status_code=200, headers=[]))
                    http.send(h11.EndOfMessage())
                    http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._streams.discard(stream)

    async def _answer(self, asked: Any) -> bytes | None:
        calls = asked if isinstance(asked, list) else [asked]
        self.batches.append(len(calls))
        self.calls += calls
        first = self._next()
        answers = [first]
        if isinstance(first, dict):
            answers += [self._next() for _ in calls[1:]]
        self.asked.set()
        self._busy += 1
        self.most_at_once = max(self.most_at_once, self._busy)
        await self.hold.wait()
        self._busy -= 1
        if not isinstance(first, dict):
            return first
        told = [
            {"jsonrpc": "2.0", "id": call["id"], **(answer or {})}  # type: ignore[dict-item]
            for call, answer in zip(calls, answers, strict=True)
        ]
        return http_answer(
            json.dumps(told if isinstance(asked, list) else told[0]).encode()
        )

    def _next(self) -> dict[str, Any] | bytes | None:
        return self.answers.popleft() if self.answers else ACCEPTED


def http_answer(text: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


async def _request(stream: trio.SocketStream, http: h11.Connection) -> bytes:
    body = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return body
        elif isinstance(event, h11.ConnectionClosed):
            return b""
