"""The commit channel and the WebSocket server as a sender, for `bench.fanout`.

Blocks come from memory, so that what is measured is what happens after the log's read.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    nullcontext,
)
from dataclasses import replace
from functools import partial

import trio

from scripts.bench.fanout_senders import Block, Receiver, Times
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.ledger.block import Tip
from trio_stream.stream.events import CommittedBlock
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import Frames
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks
from trio_stream.stream.selection import Selection
from trio_stream.websocket import server
from trio_stream.websocket.limits import WebSocketLimits

Observe = Callable[[CommitChannel[Selection]], AbstractAsyncContextManager[None]]


class _Log:
    """The commit log's reading side; gives one block a read, so that blocks stay apart."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        # Blocks have the heights of their events: a position in the middle of one is found by them.
        self.before = blocks[0][0].height - 1
        self.committed = self.before
        self.starts: list[float] = []

    async def tip(self) -> Tip:
        await trio.lowlevel.checkpoint()
        return Tip(self.committed, "")

    async def blocks_after(
        self, height: int, *, max_bytes: int
    ) -> list[CommittedBlock]:
        await trio.lowlevel.checkpoint()
        number = height - self.before
        if number < 0:  # what the channel reads at its start
            return [CommittedBlock(height + 1, "", (), ())]
        if number == len(self.starts):  # not announced one by one
            self.starts.append(time.monotonic())
        return [CommittedBlock(height + 1, "", self.blocks[number], ())]

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        await trio.lowlevel.checkpoint()
        return Landmarks(tip=self.committed)

    async def contents(
        self, places: Sequence[Position], *, max_bytes: int
    ) -> Mapping[int, Contents]:
        raise AssertionError("nobody filters")

    async def frames(self, *_: object, **__: object) -> Frames:
        raise AssertionError("the tail holds all of it")

    async def frame_pages(self, *_: object, **__: object) -> None:
        raise AssertionError("nobody replays")


def ours(
    blocks: Sequence[Block],
    receiver: Receiver,
    *,
    tls: ssl.SSLContext | None,
    pause: float = 0.0,
    watch: AbstractContextManager[object] | None = None,
    beside: AbstractAsyncContextManager[None] | None = None,
    observe: Observe | None = None,
    limits: WebSocketLimits | None = None,
    tail_bytes: int = 1 << 30,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> Times:
    """The commit channel and the WebSocket door.

    With `pause`, one block is announced each so many seconds; `beside` is what runs
    meanwhile, and `observe` makes the like of the channel; `watch` is entered when all clients
    are there and left when they have everything.
    """
    # The receiver answers nothing, and a Ping would be counted as part of a block.
    limits = limits or WebSocketLimits()
    limits = replace(limits, ping_interval=3600)
    log = _Log(blocks)
    channel = CommitChannel(CommittedBlocks(log), tail_bytes=tail_bytes)
    observing = nullcontext() if observe is None else observe(channel)
    run = partial(
        _ours, log, channel, receiver, limits, tls, pause, watch, beside, observing
    )
    return trio.run(run, instruments=instruments)


async def _ours(
    log: _Log,
    channel: CommitChannel[Selection],
    receiver: Receiver,
    limits: WebSocketLimits,
    tls: ssl.SSLContext | None,
    pause: float,
    watch: AbstractContextManager[object] | None,
    beside: AbstractAsyncContextManager[None] | None,
    observing: AbstractAsyncContextManager[None],
) -> Times:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=4096)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=stop))
        await nursery.start(
            partial(
                server.serve,
                channel,
                listeners,
                limits=limits,
                tls=None if tls is None else lambda: tls,
                stop=stop,
            )
        )
        port = listeners[0].socket.getsockname()[1]
        await trio.to_thread.run_sync(receiver.connect, port)
        async with beside or nullcontext(), observing:
            with watch or nullcontext():
                async with trio.open_nursery() as announcer:
                    announcer.start_soon(_announce, channel, log, pause)
                    times = await trio.to_thread.run_sync(receiver.times)
        nursery.cancel_scope.cancel()
    return log.starts, times


async def _announce(channel: CommitChannel[Selection], log: _Log, pause: float) -> None:
    if not pause:
        log.committed = log.before + len(log.blocks)
        channel.advance(log.committed)
        return
    begin = trio.current_time()
    for number in range(1, len(log.blocks) + 1):
        await trio.sleep_until(begin + number * pause)
        log.committed = log.before + number
        log.starts.append(time.monotonic())
        channel.advance(log.committed)
