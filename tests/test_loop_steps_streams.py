"""No step of the event loop is long for streams: live, replayed, of any form, at both doors."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest
import trio

from scripts.signing import create, encode
from tests.http.apis import bigchaindb_api
from tests.ledger.chains import BOB, CHAIN_ID
from tests.loop_steps import TRIES, assert_short_steps
from tests.websocket_peer import BINARY, PING, TEXT, frame, request
from trio_stream.abci.messages import Time
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.engine.broadcast import EngineClient
from trio_stream.http import server as http_server
from trio_stream.ledger.block import Block, Chain, RefusedTransaction
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.ledger.rows import rows_of
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.stream.admission import Admission
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.model import parse
from trio_stream.websocket import server as websocket_server
from trio_stream.websocket.limits import WebSocketLimits

# No part of such blocks would show what is done for a whole block in one step. Coverage would be
# measured along with the steps.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

MANY = 20_000
"""Transactions of a block, some more than of the smallest fit into the 21 MiB an engine allows."""
LARGE = 510
"""Transactions of a block of which a run has as many bytes as are looked into."""
STREAMS = "/api/v1/streams/"
ASSET = "a" * 64
# As many values as a head of 16 KiB has room for.
OTHERS = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(180)]
KEYS = [each[:44].replace("0", "1") for each in OTHERS]
FILTERS = {
    "plain": "valid_transactions?",
    "positions": "valid_transactions?detail=position&",
    "full": "valid_transactions?detail=full&",
    "assets": "valid_transactions?"
    + "".join(f"asset_id={a}&" for a in [ASSET, *OTHERS]),
    "keys": "valid_transactions?"
    + "".join(f"public_key={k}&" for k in [BOB.public, *KEYS]),
    "full of keys": f"valid_transactions?detail=full&public_key={BOB.public}&",
    "operations": "valid_transactions?operation=CREATE&",
    "blocks": "valid_blocks?",
    "rich blocks": "valid_blocks?detail=position&",
    "refusals": "refused_transactions?",
}


@cache
def many(height: int) -> Block:
    """A block of very many transactions, and of refusals at length."""
    count = MANY
    one = rows_of(parse(encode(create(BOB))), 0, bytes(32))
    ids = (hashlib.sha256(b"%d %d" % (height, n)).hexdigest() for n in range(count))
    found = [
        one._replace(index=n, id=each, asset_id=ASSET) for n, each in enumerate(ids)
    ]
    refused = [
        RefusedTransaction(count + n, bytes(32), None, "DoubleSpend", "é" * 300)
        for n in range(count // 10)
    ]
    return Block(height, Time(height, 0), "ab" * 32, found, refused)


@cache
def large(height: int) -> Block:
    """A block of large transactions, with as much inside as they may have."""
    found = []
    for n in range(LARGE):
        data = {"h": height, "n": n, "a": [{"b": 1.5}] * 500}
        raw = encode(create(BOB, data=data))
        found.append(rows_of(parse(raw), n, hashlib.sha256(raw).digest()))
    return Block(height, Time(height, 0), "cd" * 32, found, [])


@dataclass
class Served:
    """Both doors over a real log, with threads as they are."""

    log: CommitLog
    channel: CommitChannel
    ports: dict[str, int]

    async def commit(self, block: Block) -> None:
        await trio.to_thread.run_sync(self.log.append, block)
        self.channel.advance(block.height)

    async def open(self, door: str, target: str) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", self.ports[door])
        if door == "websocket":
            await stream.send_all(request(target=target))
        else:
            head = (
                f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
            )
            await stream.send_all(head.encode())
        return stream


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("streams")
    with CommitLog.open(home) as log:
        log.begin_chain(Chain(CHAIN_ID, 1, "", 1, Time(0, 0), ()))
        for block in large(1), many(2):
            log.append(block)
    return home


@pytest.fixture
async def served(tmp_path: Path, home: Path) -> AsyncIterator[Served]:
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    with CommitLog.open(tmp_path) as log:
        reader = LogReader(log.path, CandidateCache(1 << 26))
        blocks = CommittedBlocks(reader)
        channel = CommitChannel(blocks)
        admission = Admission()
        node = EngineClient("http://127.0.0.1:1", max_connections=1, timeout=1)
        app = bigchaindb_api(
            reader=reader,
            engine=node,
            channel=channel,
            watched=blocks,
            checks=RecentChecks(),
            streams_url="",
            commit_timeout=10,
            max_body_bytes=1 << 21,
            admission=admission,
        )
        stop = trio.Event()
        listeners = {
            name: await trio.open_tcp_listeners(0, host="127.0.0.1")
            for name in ("http", "websocket")
        }
        ports = {
            name: some[0].socket.getsockname()[1] for name, some in listeners.items()
        }
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=trio.Event()))
            await nursery.start(
                partial(
                    http_server.serve,
                    app,
                    listeners["http"],
                    tls=None,
                    direct=app.direct,
                    limits=http_server.HttpLimits(max_body_bytes=1 << 21),
                    stop=stop,
                )
            )
            await nursery.start(
                partial(
                    websocket_server.serve,
                    channel,
                    listeners["websocket"],
                    limits=WebSocketLimits(),
                    admission=admission,
                    stop=stop,
                )
            )
            yield Served(log, channel, ports)
            nursery.cancel_scope.cancel()
        await reader.aclose()
        await node.aclose()


async def follow(stream: trio.SocketStream, end: bytes) -> None:
    async with stream:
        await read_up_to(stream, end)


async def read_up_to(stream: trio.SocketStream, end: bytes) -> None:
    """Take what comes, in pieces, until this is in it."""
    last = b""
    while end not in last:
        piece = bytes(await stream.receive_some(64 * 1024))
        assert piece, last
        last = last[-len(end) :] + piece


@pytest.mark.parametrize("door", ["websocket", "http"])
@pytest.mark.parametrize("name", FILTERS)
async def test_what_is_replayed_comes_in_short_steps(
    door: str, name: str, served: Served
) -> None:
    ended = b"\x88\x02\x03\xe8", b"event: end"

    async def ask() -> None:
        target = f"{STREAMS}{FILTERS[name]}after=earliest&until=tip"
        async with await served.open(door, target) as stream:
            await read_up_to(stream, ended[door == "http"])

    await assert_short_steps(ask)


@pytest.mark.parametrize("name", FILTERS)
async def test_what_is_new_comes_in_short_steps(name: str, served: Served) -> None:
    # What these take to make is not to be measured.
    made = [(large(3 + 2 * n), many(4 + 2 * n)) for n in range(TRIES)]

    async def follow_two_blocks() -> None:
        blocks = made.pop(0)
        ends = _last_words(name, blocks[1])
        async with trio.open_nursery() as nursery:
            for door in "websocket", "http":
                target = f"{STREAMS}{FILTERS[name]}notices=1"
                stream = await served.open(door, target)
                await read_up_to(stream, b"subscribed")
                nursery.start_soon(follow, stream, ends)
            for block in blocks:
                await served.commit(block)

    await assert_short_steps(follow_two_blocks)


@pytest.mark.parametrize("stream", ["valid_transactions", "valid_blocks"])
@pytest.mark.parametrize("more", ["", "&detail=full", "&after=1"])
async def test_what_is_pulled_comes_in_short_steps(
    stream: str, more: str, served: Served
) -> None:
    if stream == "valid_blocks":
        more = more.replace("full", "position")
    after = "" if "after" in more else "&after=earliest"
    target = f"/api/v1/events?stream={stream}{after}{more}&limit=1000"

    async def ask() -> None:
        async with await served.open("http", target) as client:
            await read_up_to(client, b'"tip": 2}')

    await assert_short_steps(ask)


@pytest.mark.parametrize("door", ["websocket", "http"])
@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"{n:x}" for n in range(3000)),
        "&".join(f"asset_i{n:x}=" for n in range(1000)),
        "after=" + "%41" * 5000,
        "after=earliest&" + "&" * 15_000,
    ],
    ids=["names", "misspelt", "escapes", "nothing"],
)
async def test_large_questions_are_read_in_short_steps(
    door: str, query: str, served: Served
) -> None:

    async def ask() -> None:
        target = f"{STREAMS}valid_transactions?{query}"
        async with await served.open(door, target) as client:
            assert await client.receive_some(1)

    await assert_short_steps(ask)


@pytest.mark.parametrize(
    "said",
    [
        frame(TEXT, "é".encode() * (2 * 1024 * 1024 - 1)),
        frame(BINARY, b"x" * (4 * 1024 * 1024 - 1)),
        frame(BINARY) * 50_000,
        frame(TEXT, b"x") * 50_000,
        frame(PING) * 5_000,
        frame(PING, b"x" * 125) * 5_000,
    ],
    ids=["text", "bytes", "empty", "small", "pings", "long pings"],
)
async def test_what_clients_say_is_read_in_short_steps(
    said: bytes, served: Served
) -> None:
    last = frame(PING, b"that is all")
    target = STREAMS + "valid_transactions"

    async def ask() -> None:
        async with (
            await served.open("websocket", target) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(read_up_to, client, b"that is all")
            for at in range(0, len(said), 64 * 1024):
                await client.send_all(said[at : at + 64 * 1024])
            await client.send_all(last)

    await assert_short_steps(ask)


def _last_words(name: str, block: Block) -> bytes:
    if name in ("keys", "full of keys"):
        return b'"height": %d' % block.height
    if "blocks" in name:
        return b'"height": %d, "hash"' % block.height
    if name == "refusals":
        return b'"height": %d, "index": %d' % (block.height, block.refused[-1].index)
    return block.accepted[-1].id.encode()
