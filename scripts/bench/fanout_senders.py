"""Two ways to bring blocks of events to many WebSocket clients, to compare ours with.

Each serves at a free port, waits until the receiver has all its clients subscribed, and sends
one block after the other, each once the one before it has been handed to every socket. Times are
of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp.web
import trio

from scripts.bench.fanout_receiver import PATH
from trio_stream.stream.events import CommitEvent, encode
from trio_stream.stream.frames import text_frame

Block = tuple[CommitEvent, ...]
Times = tuple[list[float], list[float]]
"""When each block began, and when the last client had it."""

_101 = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def make_blocks(count: int, events: int) -> list[Block]:
    """Blocks whose heights have as many digits as those of a chain that is in use."""
    return [
        tuple(
            CommitEvent(height, i, f"{i:064x}", f"{height << 32 | i:064x}", bytes(32))
            for i in range(events)
        )
        for height in range(100_001, 100_001 + count)
    ]


class Receiver:
    """The process with the clients. The last of them may be `stalled`: they read nothing.

    With `each`, `arrivals` will have the times at which the others had each block.
    """

    def __init__(
        self,
        clients: int,
        blocks: Sequence[Block],
        *,
        tls: bool,
        stalled: int = 0,
        each: bool = False,
    ) -> None:
        self.clients = clients
        self._blocks = len(blocks)
        size = sum(len(text_frame(encode(event))) for event in blocks[0])
        self._arguments = [str(clients), str(size), str(self._blocks)]
        if tls:
            self._arguments.append("--tls")
        if stalled:
            self._arguments += ["--stalled", str(stalled)]
        if each:
            self._arguments.append("--each")
        self._each = each
        self.arrivals: list[list[float]] = []
        self._process: subprocess.Popen[str] | None = None

    def connect(self, port: int) -> None:
        """Start it; returns once all clients are subscribed. Blocks."""
        command = [sys.executable, "-m", "scripts.bench.fanout_receiver", str(port)]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def times(self) -> list[float]:
        """When each block had reached the last client. Blocks until it has."""
        last: list[float] = []
        for _ in range(self._blocks):
            found = [float(word) for word in self._line().split()]
            last.append(max(found))
            if self._each:
                self.arrivals.append(found)
        return last

    def _line(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the receiver has ended")
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def accept_clients(listener: socket.socket, count: int) -> list[socket.socket]:
    """Take so many WebSocket clients in. Blocks until they are there."""
    clients: list[socket.socket] = []
    while len(clients) < count:
        client, _ = listener.accept()
        clients.append(client)
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        client.sendall(_101)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        client.setblocking(False)
    return clients


def send_bare(clients: Sequence[socket.socket], block: Block) -> None:
    """One block to all clients, one non-blocking send after the other."""
    data = b"".join(text_frame(encode(event)) for event in block)
    for client in clients:
        unsent = memoryview(data)
        while unsent:
            try:
                unsent = unsent[client.send(unsent) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(client, select.POLLOUT)
                poll.poll()


def bare(blocks: Sequence[Block], receiver: Receiver) -> Times:
    """The limit: a loop of non-blocking sends over the sockets, and nothing else."""
    return trio.run(_bare, blocks, receiver)


async def _bare(blocks: Sequence[Block], receiver: Receiver) -> Times:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        accept = partial(accept_clients, listener, receiver.clients)
        async with trio.open_nursery() as nursery:
            port = listener.getsockname()[1]
            nursery.start_soon(trio.to_thread.run_sync, receiver.connect, port)
            clients = await trio.to_thread.run_sync(accept)
    starts = []
    for block in blocks:
        starts.append(time.monotonic())
        send_bare(clients, block)
    times = receiver.times()
    for client in clients:
        client.close()
    return starts, times


def aiohttp_loop(
    blocks: Sequence[Block], receiver: Receiver, *, tls: ssl.SSLContext | None
) -> Times:
    """BigchainDB's way: for each event, for each client, await the sending of a text."""
    return asyncio.run(_aiohttp_loop(blocks, receiver, tls))


async def _aiohttp_loop(
    blocks: Sequence[Block], receiver: Receiver, tls: ssl.SSLContext | None
) -> Times:
    subscribers: dict[int, aiohttp.web.WebSocketResponse] = {}

    async def subscribe(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        client = aiohttp.web.WebSocketResponse()
        await client.prepare(request)
        subscribers[id(client)] = client
        async for _ in client:
            pass
        return client

    app = aiohttp.web.Application()
    app.router.add_get(PATH, subscribe)
    runner = aiohttp.web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0, backlog=4096, ssl_context=tls)
    await site.start()
    await asyncio.to_thread(receiver.connect, runner.addresses[0][1])
    starts = []
    for block in blocks:
        starts.append(time.monotonic())
        for event in block:
            text = encode(event).decode()
            for client in subscribers.values():
                await client.send_str(text)
    times = await asyncio.to_thread(receiver.times)
    receiver.__exit__(None, None, None)
    await runner.cleanup()
    return starts, times
