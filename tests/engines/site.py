"""One chain on one machine: the daemon as a user starts it, and an engine in front of it.

A site keeps homes and ports while either of them is stopped, killed and started again. Every wait
here has a deadline, so a test that goes wrong fails and does not hang.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from scripts import child, daemon_process, signing
from scripts.daemon_process import RunningDaemon
from scripts.engines import home, process
from scripts.engines.build import Release
from scripts.engines.home import Key, ValidatorHome, Value
from scripts.engines.process import Rpc, RpcError, RunningEngine

PATIENCE = 300.0
"""Seconds that any one step may take; usually none takes one, but a machine may stand still."""

ALICE, BOB, CAROL = (signing.Key.from_seed(bytes([n]) * 32) for n in (1, 2, 3))

Event = dict[str, Any]

ON_REQUEST = pytest.mark.skipif(
    "NETWORKS" not in os.environ,
    reason="engines of several nodes may take longer than any deadline; set NETWORKS=1",
)
"""For proofs that depend on how soon engines find each other, or keep what they were sent."""


class Site:
    """Homes and ports of one daemon and one engine."""

    def __init__(
        self,
        engine: Release,
        folder: Path,
        *,
        abci: str | None = None,
        settings: Mapping[Key, Value] | None = None,
        ports: Sequence[int] | None = None,
    ) -> None:
        port, stream, api, rpc, p2p = ports or home.free_ports(5)
        self.kind = engine
        self.abci = abci or f"tcp://127.0.0.1:{port}"
        self.validator = ValidatorHome(
            folder / "engine", self.abci, rpc, p2p, settings or {}
        )
        self.settings = daemon_process.Settings(
            home=folder / "daemon",
            abci=self.abci,
            stream=f"127.0.0.1:{stream}",
            api=f"127.0.0.1:{api}",
            node=f"http://127.0.0.1:{rpc}",
        )

    @classmethod
    def several(cls, engine: Release, folder: Path, count: int) -> list[Self]:
        """So many of them, in folders of that one; no two have a port in common."""
        ports = home.free_ports(5 * count)
        return [
            cls(engine, folder / f"node{n}", ports=ports[5 * n : 5 * n + 5])
            for n in range(count)
        ]

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(map(int, self.kind.version[1:].split(".")))

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[RunningDaemon]:
        """The daemon, listening on the same ports each time."""
        async with daemon_process.run_daemon(self.settings) as daemon:
            yield daemon

    async def prepare(self) -> None:
        await home.prepare(self.kind.binary, self.validator)

    async def start_engine(self, nursery: trio.Nursery) -> RunningEngine:
        """The engine as soon as it runs, whether or not there is a daemon."""
        return await process.start_engine(nursery, self.kind.binary, self.validator)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[RunningEngine]:
        """The engine, in the same home each time, past its handshake with the daemon."""
        await self.prepare()
        running = process.run_engine(self.kind.binary, self.validator)
        async with running as engine:
            yield engine


class Subscriber:
    """A client of the event stream that reads at once, and checks what it is sent."""

    def __init__(self, stream: WebSocketConnection) -> None:
        self._stream = stream
        self._into, self._texts = trio.open_memory_channel[str | bytes](math.inf)
        self.events: list[Event] = []

    async def read(self) -> None:
        """Take everything off the wire until the stream ends."""
        with self._into:
            while True:
                try:
                    self._into.send_nowait(await self._stream.get_message())
                except ConnectionClosed:
                    return

    async def next(self) -> Event:
        """The next event, in the form that BigchainDB's clients know, to the byte.

        Raises trio.EndOfChannel once the daemon has closed the stream or is gone.
        """
        with trio.fail_after(PATIENCE):
            text = await self._texts.receive()
        assert isinstance(text, str)
        event: Event = json.loads(text)
        assert list(event) == ["height", "asset_id", "transaction_id"]
        assert text == json.dumps(event)
        self.events.append(event)
        return event

    async def until(self, transaction_ids: Iterable[str]) -> None:
        """Take events until those of all these transactions have come."""
        wanted = set(transaction_ids) - self.ids()
        while wanted:
            wanted.discard((await self.next())["transaction_id"])

    def ids(self) -> set[str]:
        return {event["transaction_id"] for event in self.events}


@asynccontextmanager
async def subscribed(daemon: RunningDaemon) -> AsyncIterator[Subscriber]:
    """A subscriber that gets what is committed from now on."""
    address = urlsplit(daemon.stream)
    host, port = address.hostname or "", address.port or 80
    # trio-websocket 0.12 does not close the socket of a connection that breaks.
    async with await trio.open_tcp_stream(host, port) as socket:
        async with trio.open_nursery() as nursery:
            stream = await wrap_client_stream(nursery, socket, host, address.path)
            client = Subscriber(stream)
            nursery.start_soon(client.read)
            yield client
            await stream.aclose()


async def commit(
    daemon: RunningDaemon, document: signing.Document, mode: str = "commit"
) -> None:
    """Post a transaction that the chain has to take."""
    with trio.fail_after(PATIENCE):
        answer = await daemon.post(signing.encode(document), mode)
    if mode == "commit" and b"Timed out waiting for tx" in answer.body:
        # A block may take longer than the daemon waits for it.
        await known(daemon, document)
    else:
        assert (answer.status, answer.json()) == (202, document)


async def known(daemon: RunningDaemon, document: signing.Document) -> None:
    """Wait until this node has the transaction in a block."""

    async def there() -> bool | None:
        target = f"/api/v1/transactions/{document['id']}"
        return (await daemon.http("GET", target)).status == 200 or None

    await child.poll(there, seconds=PATIENCE, what="transaction in a block")


async def check(rpc: Rpc, raw: bytes) -> tuple[int, str]:
    """Code and log of CheckTx, however this release reports them."""
    try:
        result = await rpc.broadcast("sync", raw)
    except RpcError as error:
        # 1.0 answers a refusal with an error that has code and log in its text.
        assert "is invalid: code=" in error.data, error
        code = error.data.partition("is invalid: code=")[2].partition(",")[0]
        return int(code), error.data
    return int(result["code"]), str(result["log"])


async def log_of(daemon: RunningDaemon) -> list[Event]:
    """Every event of the chain so far, reckoned from the blocks that the daemon shows."""
    events: list[Event] = []
    height = 0
    while True:
        height += 1
        answer = await daemon.http("GET", f"/api/v1/blocks/{height}")
        if answer.status == 404:
            return events
        block = answer.json()
        assert (answer.status, block["height"]) == (200, height)
        events += [event_of(height, document) for document in block["transactions"]]


def event_of(height: int, document: signing.Document) -> Event:
    created = document["operation"] == "CREATE"
    asset_id = document["id"] if created else document["asset"]["id"]
    return {
        "height": height,
        "asset_id": asset_id,
        "transaction_id": document["id"],
    }


async def settled(rpc: Rpc) -> int:
    """Wait until the engine has no block to make and the daemon has them all; the height."""

    async def at_rest() -> int | None:
        try:
            info = (await rpc.call("status"))["sync_info"]
        except trio.TooSlowError:
            return None
        # To sign an app hash that differs from the last, the engine makes an empty block.
        signed = (
            int(info["latest_block_height"]),
            bytes.fromhex(info["latest_app_hash"]),
        )
        # A new chain makes its first block by itself, so it does not rest at height 0.
        return signed[0] or None if signed == await rpc.application() else None

    return await child.poll(at_rest, seconds=PATIENCE, what="rest of the chain")
