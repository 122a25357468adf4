"""Nodes in memory that say what they were asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio

from tests.follower.wires import Wires, read_request
from trio_stream.follower.dialing import Address
from trio_stream.jsonrpc.passing import Passing


class Node:
    """Answers all requests with the same; None closes the connection instead."""

    def __init__(
        self, body: bytes | None = b'{"result":{}}', status: int = 200, **headers: str
    ) -> None:
        self.body = body
        self.status = status
        self.headers = {"content-type": "application/json", **headers}
        self.asked: list[tuple[str, str, Any]] = []
        self.busy = trio.Event()
        self.go = trio.Event()
        self.go.set()

    async def __call__(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        while (request := await read_request(stream, connection)) is not None:
            head, body = request
            self.asked.append(
                (
                    head.method.decode(),
                    head.target.decode(),
                    json.loads(body) if body else None,
                )
            )
            self.busy.set()
            await self.go.wait()
            if self.body is None:
                return
            headers = {**self.headers, "content-length": str(len(self.body))}
            text = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
            await stream.send_all(
                f"HTTP/1.1 {self.status} X\r\n{text}\r\n".encode() + self.body
            )
            connection.send(h11.Response(status_code=200, headers=[]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()


@asynccontextmanager
async def passing(*nodes: Node | None) -> AsyncIterator[Passing]:
    """Nodes named a, b, c; None is one that refuses connections."""
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        names = "abc"[: len(nodes)]
        for name, node in zip(names, nodes, strict=True):
            if node is not None:
                wires.serving[name] = node
        addresses = [Address.of(f"http://{name}") for name in names]
        made = Passing(addresses, rate=1000, open_tcp=wires.open_tcp)
        yield made
        await made.aclose()
        nursery.cancel_scope.cancel()
