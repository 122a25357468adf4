"""The subscribers' side of a follower: a log of a followed chain, its channel, and both doors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import trio

from tests.http.streaming import Server
from tests.log.followed.made import CHAIN
from tests.log.readers import inline
from tests.websocket_peer import Peer, request
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.cometbft.followed import FollowedBlock, FollowedChain, Gap
from trio_stream.feeds.selection import FeedSelection
from trio_stream.http import answers
from trio_stream.http import server as http_server
from trio_stream.http.body import write
from trio_stream.http.server import HttpLimits
from trio_stream.http.subscriptions import Subscriptions
from trio_stream.log.followed.keep import EVERYTHING, Keep
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.admission import Admission
from trio_stream.websocket import server
from trio_stream.websocket.limits import WebSocketLimits

STREAMS = "/api/v1/streams/"


@dataclass
class ServedFollower:
    """What a test needs of it."""

    log: FollowedLog
    channel: CommitChannel[FeedSelection]
    stream_port: int
    http: Server
    stop: trio.Event = field(default_factory=trio.Event)
    peers: list[Peer] = field(default_factory=list)

    def append(self, *blocks: FollowedBlock | Gap) -> None:
        """Commit and announce."""
        for each in blocks:
            if isinstance(each, Gap):
                tip = self.log.gap(each)
            else:
                tip = self.log.append(each)
            self.channel.advance(tip.height)

    def prune(self) -> None:
        """Drop all that is to be dropped."""
        while self.log.prune():
            pass

    async def subscribe(self, target: str, receive_buffer: int | None = None) -> Peer:
        """A WebSocket client that has been let in."""
        peer = await Peer.connect(self.stream_port, receive_buffer=receive_buffer)
        self.peers.append(peer)
        await peer.send(request(target=STREAMS + target))
        peer.head = await peer.read_head()
        assert peer.head.startswith(b"HTTP/1.1 101 "), peer.head
        return peer


@asynccontextmanager
async def served_follower(
    home: Path,
    *,
    chain: FollowedChain | None = CHAIN,
    keep: Keep = EVERYTHING,
    tail_bytes: int = 1 << 20,
    send_buffer: int = 4096,
    run_sync: Any = inline,
) -> AsyncIterator[ServedFollower]:
    """Serve; at the end of the block all clients break off and it is shut down.

    `run_sync` is how the log is read.
    """
    with FollowedLog.open(home, keep=keep) as log:
        if chain is not None:
            log.begin(chain)
        reader = FollowedReader(log.path, run_sync=run_sync)
        channel = CommitChannel(FollowedBlocks(reader), tail_bytes=tail_bytes)
        subscriptions = Subscriptions(channel, Admission(), most=100)

        async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
            serve = subscriptions.door_of(scope)
            if serve is None:
                await write(send, answers.NOT_FOUND, None)
            else:
                await serve(receive, send)

        ws, http = [await trio.open_tcp_listeners(0, host="127.0.0.1") for _ in "ab"]
        ports = [each[0].socket.getsockname()[1] for each in (ws, http)]
        nothing = cast(Any, None)
        follower = ServedFollower(
            log, channel, ports[0], Server(nothing, nothing, nothing, ports[1])
        )
        stop = follower.stop
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=stop))
            limits = WebSocketLimits(send_buffer=send_buffer, shutdown_timeout=30)
            serve = partial(server.serve, channel, ws, limits=limits, stop=stop)
            await nursery.start(serve)
            serve_http = partial(
                http_server.serve,
                app,
                http,
                tls=None,
                limits=HttpLimits(),
                lasting=lambda: subscriptions.present,
                stop=stop,
            )
            await nursery.start(serve_http)
            try:
                yield follower
            finally:
                for peer in follower.peers:
                    peer.reset()
                for stream in follower.http.streams:
                    await trio.aclose_forcefully(stream)
                stop.set()
        await reader.aclose()
