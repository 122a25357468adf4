"""No step of the event loop is long for programs that speak the engine's JSON-RPC to a follower."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from tests.jsonrpc.drop_in import KEY, nobody
from tests.log.followed.made import CHAIN, made, transfer
from tests.loop_steps import TRIES, assert_short_steps
from tests.websocket_peer import TEXT, frame
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.jsonrpc.door import DropIn
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.net.upgrades import Caller

# Coverage would be measured along with the steps.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

PATIENCE = 120.0


class Load(NamedTuple):
    """Who subscribes, and what comes."""

    clients: int
    queries: int
    """Different ones, in turn."""
    each: int = 1
    """Subscriptions of one client."""
    txs: int = 100
    filler: int = 50
    """Bytes in each of them."""
    are_alike: bool = False
    """Whether clients have the same ids, so that they get the same bytes."""


LOADS = {
    "many clients": Load(600, 200),
    "clients that get the same": Load(600, 10, are_alike=True),
    "many subscriptions": Load(10, 1000, each=200, txs=20),
    "many transactions": Load(20, 20, txs=4000),
    "large transactions": Load(100, 10, txs=20, filler=60_000),
    "larger transactions": Load(10, 10, txs=4, filler=2_000_000),
}


@dataclass
class Served:
    """The door over a real log, with threads as they are."""

    log: FollowedLog
    door: DropIn
    nursery: trio.Nursery

    async def commit(self, block: FollowedBlock) -> None:
        await trio.to_thread.run_sync(self.log.append, block)
        self.door.advance(block.height)

    async def client(self) -> trio.SocketStream:
        """A client that has its 101."""
        raw, peer = socket.socketpair()
        ours, theirs = (
            trio.SocketStream(trio.socket.from_stdlib_socket(each))
            for each in (raw, peer)
        )
        self.nursery.start_soon(self._welcome, ours, raw)
        await read_up_to(theirs, b"\r\n\r\n")
        return theirs

    async def _welcome(self, ours: trio.SocketStream, raw: socket.socket) -> None:
        async with ours:
            await self.door.welcome(
                Caller(
                    ours,
                    raw,
                    KEY,
                    None,
                    b"",
                    True,
                    lambda: None,
                    lambda end: nullcontext(),
                )
            )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    with FollowedLog.open(tmp_path) as log:
        log.begin(CHAIN)
        log.append(made(5))
        reader = FollowedReader(log.path)
        door = DropIn(reader, nobody)
        door.advance(5)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(door.run, stop=trio.Event()))
            yield Served(log, door, nursery)
            nursery.cancel_scope.cancel()
        await reader.aclose()


async def read_up_to(stream: trio.SocketStream, end: bytes, times: int = 1) -> None:
    """Take what comes, in pieces, until this has come so often."""
    last = b""
    with trio.fail_after(PATIENCE):
        while times > 0:
            piece = bytes(await stream.receive_some(64 * 1024))
            assert piece, last
            last = last[1 - len(end) :] + piece
            times -= last.count(end)


async def subscribe(
    client: trio.SocketStream, number: int, queries: Iterator[str], each: int
) -> None:
    for id in range(number, number + each):
        params = {"query": next(queries)}
        call = {"jsonrpc": "2.0", "id": id, "method": "subscribe", "params": params}
        await client.send_all(frame(TEXT, json.dumps(call).encode()))
        await read_up_to(client, b'"result":{}}')


def queries(different: int) -> Iterator[str]:
    """All hold of all transactions."""
    for number in count():
        yield f"tm.event='Tx' AND tx.height < {1000 + number % different}"


@pytest.mark.parametrize("name", LOADS)
async def test_blocks_come_in_short_steps(name: str, served: Served) -> None:
    load = LOADS[name]
    recipients = [f"{n:0{load.filler}}" for n in range(load.txs - 1)] + ["the last"]
    transfers = [[transfer(each)] for each in recipients]
    # What these take to make is not to be measured.
    blocks = [made(6 + n, *transfers) for n in range(TRIES)]
    clients = [await served.client() for _ in range(load.clients)]
    asked = queries(load.queries)
    for number, client in enumerate(clients):
        id = 0 if load.are_alike else number * load.each
        await subscribe(client, id, asked, load.each)

    async def give_a_block() -> None:
        async with trio.open_nursery() as nursery:
            for client in clients:
                # In its transaction's result, and in its events.
                end = b'"transfer.recipient":["the last"]'
                nursery.start_soon(read_up_to, client, end, load.each)
            await served.commit(blocks.pop(0))

    await assert_short_steps(give_a_block)
    for client in clients:
        await client.aclose()


async def test_many_subscriptions_are_made_in_short_steps(served: Served) -> None:

    async def subscribe_and_leave() -> None:
        async with await served.client() as client:
            await subscribe(client, 0, queries(1000), 1000)

    await assert_short_steps(subscribe_and_leave)
