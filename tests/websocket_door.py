"""The WebSocket door on a free port, in front of a log in memory; also behind the HTTP server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

from tests.memory_log import MemoryLog
from tests.websocket_peer import PATH, UPGRADE, Peer, request
from trio_stream.access.guard import Guard
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.http import answers
from trio_stream.http import server as http_server
from trio_stream.http.body import write
from trio_stream.http.server import HttpLimits
from trio_stream.net.upgrades import Upgrades
from trio_stream.stream.admission import Admission
from trio_stream.stream.events import encode
from trio_stream.websocket import server
from trio_stream.websocket.guests import NOBODY, Others
from trio_stream.websocket.limits import WebSocketLimits


@dataclass
class Door:
    """What a test needs of it."""

    log: MemoryLog
    channel: CommitChannel
    port: int
    tls: ssl.SSLContext | None = None  # for clients
    peers: list[Peer] = field(default_factory=list)
    stop: trio.Event = field(default_factory=trio.Event)
    channel_stop: trio.Event = field(default_factory=trio.Event)

    async def connect(self, *, receive_buffer: int | None = None) -> Peer:
        """A connection that has said nothing yet."""
        peer = await Peer.connect(
            self.port, receive_buffer=receive_buffer, tls=self.tls
        )
        self.peers.append(peer)
        return peer

    async def subscribe(
        self,
        *,
        receive_buffer: int | None = None,
        early: bytes = b"",
        method: str = "GET",
        path: str = PATH,
        headers: Mapping[str, str] = UPGRADE,
    ) -> Peer:
        """A client that has been let in; `early` goes out behind its request."""
        peer = await self.connect(receive_buffer=receive_buffer)
        await peer.send(request(method, path, headers=headers) + early)
        peer.head = await peer.read_head()
        assert peer.head.startswith(b"HTTP/1.1 101 "), peer.head
        return peer

    def commit(self, events: int = 1) -> None:
        self.channel.advance(self.log.commit(events))

    def texts(self, after: int = 0) -> list[str]:
        """The messages of all events in blocks above `after`."""
        return [encode(e).decode() for e in self.log.events if e.height > after]

    def shut_down(self) -> None:
        self.stop.set()
        self.channel_stop.set()


async def _no_requests(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await write(send, answers.NOT_FOUND, None)


@asynccontextmanager
async def open_door(
    *,
    limits: WebSocketLimits | None = None,
    admission: Admission | None = None,
    tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    tail_bytes: int = 1 << 23,
    by_http: bool = False,
    guard: Guard | None = None,
    others: Others = NOBODY,
) -> AsyncIterator[Door]:
    """Serve; at the end of the block all clients break off and it is shut down.

    With `by_http`, clients connect to an HTTP server that hands them over.
    """
    log = MemoryLog()
    channel = CommitChannel(CommittedBlocks(log), tail_bytes=tail_bytes)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    upgrades = Upgrades(others)
    port = listeners[0].socket.getsockname()[1]
    door = Door(log, channel, port, client_tls)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=door.channel_stop))
        serve = partial(
            server.serve,
            channel,
            listeners,
            limits=limits or WebSocketLimits(),
            admission=admission,
            tls=None if tls is None else lambda: tls,
            upgrades=upgrades,
            guard=guard,
            others=others,
            stop=door.stop,
        )
        await nursery.start(serve)
        if by_http:
            serve_http = partial(
                http_server.serve,
                _no_requests,
                await trio.open_tcp_listeners(0, host="127.0.0.1"),
                tls=None if tls is None else lambda: tls,
                limits=HttpLimits(),
                stop=door.channel_stop,
                upgrades=upgrades,
            )
            found = await nursery.start(serve_http)
            door.port = found[0].socket.getsockname()[1]
        try:
            yield door
        finally:
            for peer in door.peers:
                peer.reset()
        door.shut_down()
