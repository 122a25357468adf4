"""Where the messages of `bench.dropin` come from: an engine, or a loop of sends."""

from __future__ import annotations

import base64
import itertools
import json
import select
import socket
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import trio

from scripts import child
from scripts.bench import fanout_senders, load
from scripts.bench.chain import at_rest
from scripts.bench.dropin_queries import ACCOUNTS, hundred, opening, owed
from scripts.engines.process import Rpc

REST = 1.0
"""Seconds before the bare loop sends."""
PATIENCE = 120.0
"""Seconds in which the engine has to make a block, whatever else it does."""


class Source(Protocol):
    """Makes what subscribers get."""

    async def one(self) -> None:
        """Make a single transaction that is in no account, when all is at rest."""

    async def hundred(self) -> None:
        """Make one in each account."""


class ChainSource(Source):
    """The engine, which makes a block of what is posted."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._numbers = itertools.count()
        self.made = 0
        """Hundreds by `hundreds`."""

    async def one(self) -> None:
        await at_rest(self._rpc)
        await self._post([opening(next(self._numbers))])

    async def hundred(self) -> None:
        await self._post(hundred(next(self._numbers)))

    async def hundreds(self, stop: trio.Event) -> None:
        """Make one hundred after the other until `stop` is set."""
        while not stop.is_set():
            height = await self._rpc.height()
            await self.hundred()
            self.made += 1
            above = partial(self._above, height)
            await child.poll(above, seconds=PATIENCE, what="block")

    async def _post(self, texts: Sequence[str]) -> None:
        await load.post_all(self._rpc.port, [call(each) for each in texts], b'"code":0')

    async def _above(self, height: int) -> bool | None:
        return await self._rpc.height() > height or None

    async def check(self) -> None:
        """Raise RuntimeError unless one of the newest blocks has a hundred transactions."""
        tip = await self._rpc.height()
        newest = range(max(tip - 2, 1), tip + 1)
        counts = [len(await self._rpc.transactions(height)) for height in newest]
        if ACCOUNTS not in counts:
            raise RuntimeError(f"the transactions came in blocks of {counts}")


def call(text: str) -> bytes:
    """A request that posts a transaction."""
    body = {
        "jsonrpc": "2.0",
        "id": "1",
        "method": "broadcast_tx_sync",
        "params": {"tx": base64.b64encode(text.encode()).decode()},
    }
    return load.post("/", json.dumps(body).encode())


class BareSource(Source):
    """A loop of sends, without a daemon or an engine: frames of so many bytes."""

    def __init__(self, clients: int, mix: str, size: int) -> None:
        self._count, self._mix = clients, mix
        self._frame = b"\x81\x7e" + (size - 4).to_bytes(2) + b"x" * (size - 4)
        self.clients: list[socket.socket] = []

    async def accept(self, listener: socket.socket) -> None:
        accept = partial(fanout_senders.accept_clients, listener, self._count)
        self.clients = await trio.to_thread.run_sync(accept)

    async def one(self) -> None:
        await self._send(1, 0)

    async def hundred(self) -> None:
        await self._send(0, 1)

    async def _send(self, openings: int, hundreds: int) -> None:
        await trio.sleep(REST)
        counts = owed(self._mix, len(self.clients), openings, hundreds)
        made = {count: self._frame * count for count in counts}
        data = [made[count] for count in counts]
        await trio.to_thread.run_sync(send_each, self.clients, data)


def send_each(clients: Sequence[socket.socket], data: Sequence[bytes]) -> None:
    """To each client its own, one non-blocking send after the other; then what is left."""
    unsent: dict[int, tuple[socket.socket, memoryview]] = {}
    poll = select.poll()
    for client, each in zip(clients, data):
        sent = client.send(each)
        if sent < len(each):
            unsent[client.fileno()] = client, memoryview(each)[sent:]
            poll.register(client, select.POLLOUT)
    while unsent:
        for number, _ in poll.poll():
            client, rest = unsent[number]
            rest = rest[client.send(rest) :]
            unsent[number] = client, rest
            if not rest:
                del unsent[number]
                poll.unregister(number)
