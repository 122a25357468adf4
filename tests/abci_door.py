"""An open ABCI door for tests, on streams in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
import trio.testing

from tests.abci.engine_side import DIALECTS, encode_request
from tests.fake_application import FakeApplication, run_inline
from trio_stream.abci import messages as m
from trio_stream.engine import server as abci_server
from trio_stream.engine.state_machine import RunSync

LIMIT = 1 << 20

FLUSH = encode_request(m.Flush(), DIALECTS["C38"])

FLUSHED = b"\x02\x1a\x00"


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts streams that are handed to it."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream](100)

    async def accept(self) -> trio.abc.Stream:
        return await self._receive.receive()

    async def aclose(self) -> None:
        self._receive.close()
        await trio.lowlevel.checkpoint()

    async def give(self, stream: trio.abc.Stream) -> None:
        await self._send.send(stream)

    async def connect(self) -> trio.abc.Stream:
        client, server = trio.testing.memory_stream_pair()
        await self.give(server)
        return client


class Served:
    """An open door, and the heights announced at it."""

    def __init__(self, application: FakeApplication) -> None:
        self.application = application
        self.listener = MemoryListener()
        self.announced: list[int] = []
        self.statistics: Callable[[], abci_server.AbciStatistics]
        self.stop = trio.Event()
        self.stopped = trio.Event()

    async def connect(self) -> trio.abc.Stream:
        return await self.listener.connect()


@asynccontextmanager
async def serving(
    application: FakeApplication | None = None,
    *,
    run_sync: RunSync = run_inline,
    frame_limit: int = LIMIT,
    listeners: Callable[[Served], list[trio.SocketListener]] | None = None,
) -> AsyncIterator[Served]:
    """The door, open while the block runs; then it stops in good order."""
    served = Served(application or FakeApplication())
    doors = [served.listener] if listeners is None else listeners(served)

    async def serve(  # noqa: ASYNC128  # what it calls reports the start
        task_status: trio.TaskStatus[object],
    ) -> None:
        door = abci_server.AbciServer(
            served.application,
            on_commit=served.announced.append,
            frame_limit=frame_limit,
            run_sync=run_sync,
        )
        served.statistics = door.statistics
        await door.serve(
            doors,
            shutdown_timeout=5,
            stop=served.stop,
            task_status=task_status,
        )
        served.stopped.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield served
        served.stop.set()


async def read_exactly(stream: trio.abc.ReceiveStream, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = await stream.receive_some(count - len(data))
        assert piece, "the stream ended"
        data += piece
    return bytes(data)


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    with trio.fail_after(30):
        return b"".join([bytes(piece) async for piece in stream])
