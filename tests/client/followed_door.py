"""The stream's door in front of a followed chain's log, without a node and a follower."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from tests.follower.chain import MadeChain
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.followed import FollowedBlock, FollowedChain, Gap
from trio_stream.cometbft.results import read_results
from trio_stream.log.followed.keep import EVERYTHING, Keep
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.websocket import server
from trio_stream.websocket.limits import WebSocketLimits


class FollowedDoor:
    """What a test needs of it."""

    def __init__(
        self, chain: MadeChain, log: FollowedLog, channel: CommitChannel, port: int
    ) -> None:
        self.url = f"ws://127.0.0.1:{port}"
        self._chain = chain
        self._log = log
        self._channel = channel

    def commit(self, height: int) -> None:
        """Append what the chain has at this height, and announce it."""
        raw, results = self._chain.blocks[height], self._chain.results[height]
        block = FollowedBlock(read_block(raw), read_results(results), raw, results)
        self._log.append(block)
        self._channel.advance(height)

    def miss(self, first: int, last: int) -> None:
        """Record that these blocks cannot be had, and announce it."""
        self._log.gap(Gap(first, last, "pruned", "no node has them"))
        self._channel.advance(last)

    def prune(self) -> None:
        """Drop what is not to be kept."""
        while self._log.prune():
            pass


@asynccontextmanager
async def open_followed_door(
    home: Path, chain: MadeChain, *, keep: Keep = EVERYTHING
) -> AsyncIterator[FollowedDoor]:
    """Serve a log in `home`, empty or with what it has."""
    stop = trio.Event()
    with FollowedLog.open(home, keep=keep) as log:
        log.begin(FollowedChain(chain.chain_id, chain.first))
        reader = FollowedReader(log.path)
        channel = CommitChannel(FollowedBlocks(reader))
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=stop))
            serve = partial(
                server.serve, channel, [listener], limits=WebSocketLimits(), stop=stop
            )
            await nursery.start(serve)
            port = listener.socket.getsockname()[1]
            yield FollowedDoor(chain, log, channel, port)
            stop.set()
        await reader.aclose()
