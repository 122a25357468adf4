"""A network in memory: each host has a list of servers, one for each connection."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable

import h11
import trio
from trio.testing import memory_stream_pair

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


class Wires:
    """`open_tcp` gives a connection to what serves that host; nobody there refuses."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.serving: dict[str, Serve] = {}
        self.dialled: list[tuple[str, int]] = []
        self._nursery = nursery

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dialled.append((host, port))
        if host not in self.serving:
            raise ConnectionRefusedError("nobody is there")
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self._run, self.serving[host], theirs)
        return ours

    async def _run(self, serve: Serve, stream: trio.abc.Stream) -> None:
        try:
            await serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


def scripted(*answers: bytes | None | float) -> Serve:
    """Answer each request on one connection with the next bytes; None closes, a number waits."""
    left = deque(answers)

    async def serve(stream: trio.abc.Stream) -> None:
        http = h11.Connection(h11.SERVER)
        while left:
            if await read_request(stream, http) is None:
                return
            answer = left.popleft()
            while isinstance(answer, float):
                await trio.sleep(answer)
                answer = left.popleft()
            if answer is None:
                return
            await stream.send_all(answer)
            http.send(h11.Response(status_code=200, headers=[]))
            http.send(h11.EndOfMessage())
            http.start_next_cycle()

    return serve


async def read_request(
    stream: trio.abc.Stream, http: h11.Connection
) -> tuple[h11.Request, bytes] | None:
    head, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some()))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return head, body
        else:
            return None


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*parts: bytes, end: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + text + b"0\r\n\r\n" * end


def result(value: object, number: int = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": value}).encode()
