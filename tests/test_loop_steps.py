"""No step of the event loop is long, whatever a peer sends or asks for, at any route and door."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import thread_time
from typing import Any

import pytest
import trio
import trio.testing

from scripts.signing import create, encode, transfer
from tests import loop_steps
from tests.http.apis import bigchaindb_api
from tests.ledger.chains import ALICE, BOB, CHAIN_ID
from tests.loop_steps import (
    LONGEST_STEP,
    assert_short_steps,
    gaps_up_to,
    is_short,
    measured_steps,
)
from trio_stream.abci import abci_pb2 as pb
from trio_stream.abci import messages as m
from trio_stream.abci.framing import write_varint
from trio_stream.abci.messages import Time
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.engine import server as abci_server
from trio_stream.engine.broadcast import TRANSACTION_BYTES, CheckResult
from trio_stream.http import server as http_server
from trio_stream.ledger.block import AcceptedTransaction, Block, Chain
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.ledger.rows import rows_of
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.model import parse

# Requests of the largest size that each door allows. Coverage would be measured along with the
# steps.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

# Less than that for the rest of a transaction, and for the blanks with which it is written anew.
LARGE = TRANSACTION_BYTES * 2 // 3
MAX_BODY = 2 * 1024 * 1024

BODIES = {
    "one string": b'"%b"' % (b"x" * (TRANSACTION_BYTES - 2)),
    "escapes": b'"%b"' % (rb"\u00e9" * (TRANSACTION_BYTES // 6 - 1)),
    "numbers": b"[%b1]" % (b"1," * (LARGE // 2)),
    "doubles": b"[%b1]" % (b"1.1," * (LARGE // 4)),
    "objects": b"[%b1]" % (b'{"a":1},' * (LARGE // 8)),
    "lists": b"[%b1]" % (b"[]," * (LARGE // 3)),
    "strings": b"[%b1]" % (b'"",' * (LARGE // 3)),
    "members": b"{%b}" % b",".join(b'"%x":1' % n for n in range(LARGE // 9)),
    "brackets": b'"%b"' % (b"[" * (TRANSACTION_BYTES - 2)),
    "no JSON": b"[" + b"1," * (LARGE // 2),
    "deep": b"[" * 480 + b"1," * (LARGE // 2) + b"1" + b"]" * 480,
    "too long": b"[%b1]" % (b"[]," * (MAX_BODY // 3 - 10)),
}


@pytest.mark.parametrize("seconds", [0.03, 0.0])
async def test_the_helper_finds_a_long_step(seconds: float) -> None:
    with measured_steps() as steps:
        await trio.lowlevel.checkpoint()
        end = thread_time() + seconds
        while thread_time() < end:
            pass
        await trio.lowlevel.checkpoint()
    assert steps.count >= 1 and steps.longest >= seconds
    assert is_short(steps.longest) or seconds > LONGEST_STEP, steps
    if seconds:
        assert "test_the_helper_finds_a_long_step" in steps.task


async def test_a_step_that_is_always_long_fails_a_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_steps, "gaps_up_to", lambda gap: False)

    async def work() -> None:
        await trio.lowlevel.checkpoint()
        end = thread_time() + 1.0
        while thread_time() < end:
            pass
        await trio.lowlevel.checkpoint()

    with pytest.raises(AssertionError, match="longest of"):
        await assert_short_steps(work, tries=2)


@pytest.mark.parametrize(("gap", "seen"), [(0.0, True), (60.0, False)])
def test_a_bare_loop_looks_for_gaps(gap: float, seen: bool) -> None:
    assert gaps_up_to(gap, within=0.1) is seen


@pytest.mark.parametrize(("slower", "short"), [(0.5, False), (1.9, True)])
def test_a_slow_processor_may_take_longer(
    slower: float, short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loop_steps.usual_work() > 0
    monkeypatch.setattr(loop_steps, "gaps_up_to", lambda gap: False)
    took = slower * loop_steps.USUAL_WORK
    monkeypatch.setattr(loop_steps, "usual_work", lambda: took)
    assert is_short(1.5 * LONGEST_STEP) is short


async def test_one_try_without_a_long_step_is_enough() -> None:
    lengths = [1.0]

    async def work() -> None:
        await trio.lowlevel.checkpoint()
        end = thread_time() + (lengths.pop() if lengths else 0.0)
        while thread_time() < end:
            pass
        await trio.lowlevel.checkpoint()

    await assert_short_steps(work)
    assert not lengths


class Node:
    """Takes every transaction."""

    async def broadcast(self, mode: str, raw: bytes) -> CheckResult:
        await trio.lowlevel.checkpoint()
        return CheckResult(0, "", "")


@dataclass
class Served:
    """The HTTP door over a real log, with threads as they are."""

    port: int
    channel: CommitChannel

    async def ask(self, head: str, body: bytes = b"") -> bytes:
        """The answer to one request, whose peer closes when it is complete."""
        request = f"{head} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(request.encode() + body)
            return await _answer(stream)


async def _answer(stream: trio.SocketStream) -> bytes:
    """What comes up to the end of an answer; in pieces, since joining takes long steps too."""
    begin = await stream.receive_some(64 * 1024)
    head, _, rest = begin.partition(b"\r\n\r\n")
    pieces, size, last = [bytes(begin)], len(rest), bytes(rest[-5:])
    fields = head.lower().split(b"\r\n")
    length = next((int(f[16:]) for f in fields if f.startswith(b"content-length:")), 0)
    chunked = b"transfer-encoding: chunked" in fields
    while last != b"0\r\n\r\n" if chunked else size < length:
        piece = bytes(await stream.receive_some(64 * 1024))
        assert piece, "the connection was closed in the middle of an answer"
        pieces.append(piece)
        size += len(piece)
        last = (last + piece)[-5:]
    return await trio.to_thread.run_sync(b"".join, pieces)


def accepted(index: int, document: dict[str, Any]) -> AcceptedTransaction:
    raw = encode(document)
    return rows_of(parse(raw), index, hashlib.sha256(raw).digest())


def large_ones() -> Iterator[dict[str, Any]]:
    """Transactions that are as large as they can be, and of much inside."""
    for body in BODIES["objects"], BODIES["lists"], BODIES["doubles"]:
        yield create(ALICE, data={"a": json.loads(body)})
    yield create(ALICE, recipients=[(BOB, 1)] * 1500)
    yield create(ALICE, metadata={"word": "x " * (LARGE // 2)})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("steps")
    with CommitLog.open(home) as log:
        validators = tuple(
            Validator("ed25519", bytes([n]) * 32, 10) for n in range(200)
        )
        log.begin_chain(Chain(CHAIN_ID, 1, "", 1, Time(0, 0), validators))
        large = [accepted(n, each) for n, each in enumerate(large_ones())]
        log.append(Block(1, Time(1, 0), "", large, []))
        asset = create(BOB, data={"word": "small"})
        small = [create(BOB, data={"word": f"small {n}"}) for n in range(1000)]
        moved = [transfer(asset, BOB)]
        for _ in range(20):
            moved.append(transfer(moved[-1], ALICE))
        documents = [asset, *small, *moved]
        log.append(
            Block(
                2,
                Time(2, 0),
                "",
                [accepted(*each) for each in enumerate(documents)],
                [],
            )
        )
    return home


@pytest.fixture
async def served(home: Path) -> AsyncIterator[Served]:
    with CommitLog.open(home) as log:
        reader = LogReader(log.path, CandidateCache(1 << 26))
        blocks = CommittedBlocks(reader)
        channel = CommitChannel(blocks)
        app = bigchaindb_api(
            reader=reader,
            engine=Node(),
            channel=channel,
            watched=blocks,
            checks=RecentChecks(),
            streams_url="",
            commit_timeout=10,
            max_body_bytes=MAX_BODY,
        )
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        stop = trio.Event()
        serve = partial(http_server.serve, app, listeners, tls=None)
        limits = http_server.HttpLimits(
            max_body_bytes=MAX_BODY, shutdown_timeout=math.inf
        )
        serve = partial(serve, direct=app.direct, limits=limits, stop=stop)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=stop))
            await nursery.start(serve)
            yield Served(listeners[0].socket.getsockname()[1], channel)
            stop.set()
        await reader.aclose()


@pytest.mark.parametrize("name", BODIES)
async def test_what_is_posted_is_read_aside(name: str, served: Served) -> None:
    async def ask() -> None:
        answer = await served.ask("POST /api/v1/transactions", BODIES[name])
        assert answer[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")

    await assert_short_steps(ask, tries=1)


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_large_transactions_are_judged_aside(mode: str, served: Served) -> None:
    raw = b""

    async def ask() -> None:
        answer = await served.ask(f"POST /api/v1/transactions?mode={mode}", raw)
        assert answer.startswith(b"HTTP/1.1 202 "), answer[:500]

    for document in large_ones():
        raw = encode(
            create(ALICE, data=document["asset"]["data"], metadata={"mode": mode})
        )
        await assert_short_steps(ask, tries=1)


async def test_large_transactions_are_shown_by_threads(served: Served) -> None:
    async def ask(which: str) -> None:
        answer = await served.ask(f"GET /api/v1/transactions/{which}")
        assert answer.startswith(b"HTTP/1.1 200 ")

    for document in large_ones():
        await assert_short_steps(partial(ask, document["id"]), tries=1)


@pytest.mark.parametrize(
    "path",
    [
        "blocks/1",
        "blocks/2",
        f"transactions?asset_id={create(BOB, data={'word': 'small'})['id']}",
        f"outputs?public_key={ALICE.public}",
        f"outputs?public_key={BOB.public}&spent=false",
        "assets?search=small",
        "metadata?search=x",
        "validators",
        "statuses?transaction_id=" + "a" * 64,
        "blocks?transaction_id=" + "a" * 15_000,
        "assets?search=" + "a+" * 7_000,
        "events?after=earliest&limit=1000",
        "events?after=earliest&limit=1000&detail=full",
    ],
)
async def test_what_is_asked_for_comes_in_short_steps(
    path: str, served: Served
) -> None:
    async def ask() -> None:
        answer = await served.ask(f"GET /api/v1/{path}")
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]

    await assert_short_steps(ask, tries=1)


class Idle:
    """An application that takes every block, and whose checks all pass."""

    height = 0

    def is_quick(self, requests: Sequence[m.Request]) -> bool:
        return False

    def prepare(self, requests: Sequence[m.Request]) -> None:
        pass

    def answer(self, request: m.Request, *, owner: int) -> m.Answer:
        if isinstance(request, m.FinalizeBlock):
            return m.FinalizeBlockAnswer([m.TxResult(0)] * len(request.txs), b"h" * 64)
        return m.TxResult(0)

    def give_up(self) -> None:
        pass

    def disown(self, owner: int) -> None:
        pass


def framed(request: pb.NewRequest) -> bytes:
    text = request.SerializeToString()
    return write_varint(len(text)) + text


def sent(what: str) -> bytes:
    """What an engine sends."""
    request = pb.NewRequest()
    if what == "checks":
        request.check_tx.tx = b"x" * 1_000_000
        return framed(request) * 5
    number, _, kind = what.partition(" ")
    # As much as a block may hold unless its chain's genesis says otherwise: 21 MiB, at most.
    txs = [b"x" * 1_000_000] * 21 if number == "large" else [b"x" * 700] * 30_000
    if kind == "committed":
        request.finalize_block.height = 1
        request.finalize_block.txs.extend(txs)
    else:
        request.prepare_proposal.max_tx_bytes = 1 << 30
        request.prepare_proposal.txs.extend(txs)
    return framed(request)


class OneConnection(trio.abc.Listener[trio.abc.Stream]):
    """A listener on which one peer calls."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._streams = [stream]

    async def accept(self) -> trio.abc.Stream:
        if not self._streams:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self._streams.pop()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    "what",
    ["large committed", "many committed", "large proposed", "many proposed", "checks"],
)
async def test_frames_of_the_engine_are_read_and_written_aside(what: str) -> None:
    data = sent(what)
    slices = [data[at : at + 128 * 1024] for at in range(0, len(data), 128 * 1024)]
    await assert_short_steps(partial(_read_and_answer, slices))


async def _read_and_answer(slices: Sequence[bytes]) -> None:
    """The ABCI door, while an engine sends these, up to its first answer."""
    stop = trio.Event()
    client, server = await _sockets()
    door = abci_server.AbciServer(Idle(), on_commit=lambda _: None, frame_limit=1 << 28)
    serve = partial(
        door.serve,
        [OneConnection(server)],
        shutdown_timeout=0.1,
        stop=stop,
    )
    async with client, trio.open_nursery() as nursery:
        await nursery.start(serve)
        for each in slices:
            await client.send_all(each)
        assert await client.receive_some(1)
        stop.set()


async def _sockets() -> tuple[trio.SocketStream, trio.SocketStream]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.testing.open_stream_to_socket_listener(listeners[0])
    server = await listeners[0].accept()
    await listeners[0].aclose()
    return client, server
