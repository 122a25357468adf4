"""The HTTP server's streams in front of a log in memory, and answers that go on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import h11
import trio

from tests.http.apis import bigchaindb_api
from tests.memory_log import MemoryLog
from tests.websocket_peer import Peer
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.http import server as http_server
from trio_stream.http.api import Api

BLOCKS = "/api/v1/streams/valid_blocks"


REFUSED = "/api/v1/streams/refused_transactions"


EVENTS = "/api/v1/events"


@dataclass
class Answer:
    """An answer whose body may still be coming."""

    stream: trio.abc.Stream
    http: h11.Connection
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""

    async def begin(self) -> Self:
        found = await self.next()
        assert isinstance(found, h11.Response)
        self.status = found.status_code
        self.headers = {n.decode(): v.decode() for n, v in found.headers}
        return self

    async def next(self) -> Any:
        while (found := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(bytes(await self.stream.receive_some()))
        return found

    async def whole(self) -> bytes:
        while isinstance(found := await self.next(), h11.Data):
            self.data += bytes(found.data)
        assert isinstance(found, h11.EndOfMessage)
        return self.data

    async def event(self) -> dict[str, str]:
        """The next event that is no comment, as its fields."""
        while True:
            while b"\n\n" not in self.data:
                found = await self.next()
                if isinstance(found, h11.EndOfMessage):
                    raise trio.EndOfChannel
                self.data += bytes(found.data)
            block, _, self.data = self.data.partition(b"\n\n")
            lines = [x.partition(": ") for x in block.decode().split("\n") if x != ":"]
            if lines:
                return {name: value for name, _, value in lines}

    async def messages(self, count: int) -> list[dict[str, str]]:
        """The next so many events with data."""
        found: list[dict[str, str]] = []
        while len(found) < count:
            got = await self.event()
            if "data" in got:
                found.append(got)
        return found


@dataclass
class Server:
    log: MemoryLog
    channel: CommitChannel
    app: Api
    port: int
    stop: trio.Event = field(default_factory=trio.Event)
    channel_stop: trio.Event = field(default_factory=trio.Event)
    answered: trio.Event = field(default_factory=trio.Event)
    streams: list[trio.abc.Stream] = field(default_factory=list)

    async def ask(
        self,
        path: str,
        method: str = "GET",
        receive_buffer: int | None = None,
        **headers: str,
    ) -> Answer:
        peer = await Peer.connect(self.port, receive_buffer=receive_buffer)
        stream = peer.stream
        self.streams.append(stream)
        http = h11.Connection(h11.CLIENT)
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        target = h11.Request(
            method=method, target=path, headers=[("Host", "x"), *fields]
        )
        sent = http.send(target), http.send(h11.EndOfMessage())
        await stream.send_all(b"".join(part or b"" for part in sent))
        return await Answer(stream, http).begin()

    async def listen(
        self, path: str, receive_buffer: int | None = None, **headers: str
    ) -> Answer:
        accept = "text/event-stream"
        return await self.ask(
            path, receive_buffer=receive_buffer, Accept=accept, **headers
        )

    async def pull(self, query: str = "") -> Any:
        answer = await self.ask(EVENTS + query)
        return json.loads(await answer.whole())

    def commit(self, events: int = 1) -> None:
        self.channel.advance(self.log.commit(events))


@asynccontextmanager
async def served(
    *, tail_bytes: int = 1 << 20, blocks: int = 0, **more: Any
) -> AsyncIterator[Server]:
    log = MemoryLog()
    for _ in range(blocks):
        log.commit(3)
    node = CommittedBlocks(log)
    channel = CommitChannel(node, tail_bytes=tail_bytes)
    app = bigchaindb_api(
        reader=None,  # type: ignore[arg-type]  # no test here looks anything up
        engine=None,  # type: ignore[arg-type]  # or posts
        checks=None,  # type: ignore[arg-type]
        channel=channel,
        watched=node,
        streams_url="ws://localhost:9985/api/v1/streams/valid_transactions",
        commit_timeout=1,
        max_body_bytes=1000,
        **more,
    )
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server = Server(log, channel, app, port)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=server.channel_stop))
        serve = partial(
            http_server.serve,
            app,
            listeners,
            tls=None,
            limits=http_server.HttpLimits(),
            stop=server.stop,
            lasting=app.lasting,
            answered=server.answered,
        )
        await nursery.start(serve)
        try:
            yield server
        finally:
            for stream in server.streams:
                await trio.aclose_forcefully(stream)
            server.stop.set()
            server.channel_stop.set()


def datas(found: list[dict[str, str]]) -> list[str]:
    return [each["data"] for each in found]
