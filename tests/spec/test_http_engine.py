"""BigchainDB's HTTP specification, sections 4.3 to 6: the call to the engine, errors, and defects.

The names of the tests have the number of the section that says so. What section 6 calls defects
is not repeated: the tests of it say what happens instead.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from scripts.signing import Document, create, encode, transfer
from tests.instant_node import instant_node
from tests.ledger.chains import ALICE, BOB
from tests.spec.asking import Case, Reply, ask, refused
from tests.stub_rpc import StubRpc, http_answer, internal_error
from trio_stream.engine.broadcast import EngineClient

AT = "/api/v1/transactions"
TAKEN = create(ALICE, recipients=[(ALICE, 5)], data={"n": 0})
FAILED = b'{"message": "Internal Server Error"}\n'
# The reference says the same where there is no engine; nobody compares that, and 503 says more.
ABSENT = b'{"message": "The consensus node cannot be reached, or has too much to do"}\n'
SILENT = (
    b'{"message": "The consensus node did not answer in time, and may have taken the transaction'
    b' all the same"}\n'
)
_NUMBERS = itertools.count(1)


def fresh() -> Document:
    """A transaction that nobody has sent yet."""
    return create(BOB, data={"n": next(_NUMBERS)})


class Site:
    """The node in front of an engine that says what a test wants."""

    def __init__(self, stub: StubRpc, url: str) -> None:
        self.stub = stub
        self.url = url

    async def post(self, mode: str, document: Document | None = None) -> Reply:
        sent = encode(document or fresh())
        case = Case("4.3", mode, f"{AT}?mode={mode}", 0, method="POST", sent=sent)
        return await ask(self.url, case, {})


async def in_front_of(stub: StubRpc, tmp_path: Path, modes: str, *told: Any) -> Any:
    """What is answered in these modes when the engine says the same each time."""
    client = EngineClient(stub.url, max_connections=2, timeout=0.5)
    found = []
    async with instant_node(tmp_path, rpc=client, commit_timeout=0.2) as node:
        site = Site(stub, node.http_url)
        for mode in modes.split():
            stub.answers.extend(told)
            reply = await site.post(mode)
            found.append((reply.status, reply.body))
        await client.aclose()
    return found


CACHE = "Tx already exists in cache"
FULL = "Mempool is full: number of txs 5000 (max: 5000)"
TOO_LARGE = {"code": -32600, "message": "Invalid Request", "data": "http: too large"}
NO_ANSWER: dict[str, Any] = {
    "not JSON": http_answer(b"<html>"),
    "no result": {},
    "an error that is no object": {"error": "no"},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("modes", "told", "status", "message"),
    [
        ("async sync", internal_error(CACHE), 400, f"Internal error - {CACHE}"),
        (
            "commit",
            internal_error(CACHE),
            400,
            f"Internal error - Error on broadcastTxCommit: {CACHE}",
        ),
        (
            "async sync",
            internal_error(CACHE.replace("T", "t")),
            400,
            f"Internal error - {CACHE}",
        ),
        ("async sync", internal_error(FULL), 500, f"Internal error - {FULL}"),
        (
            "commit",
            internal_error(FULL),
            500,
            f"Internal error - Error on broadcastTxCommit: {FULL}",
        ),
        (
            "async sync commit",
            {"error": TOO_LARGE},
            500,
            "Invalid Request - http: too large",
        ),
        ("async sync", {"error": {"code": 1}}, 500, "Internal Error - "),
        (
            "async sync commit",
            {"result": {"code": 1, "log": "no"}},
            500,
            "Transaction validation failed",
        ),
        (
            "commit",
            {"result": {"code": 0}},
            500,
            "Internal error - Timed out waiting for tx to be included in a block",
        ),
    ],
)
async def test_4_3_what_the_engine_refuses(
    modes: str, told: Any, status: int, message: str, tmp_path: Path
) -> None:
    async with StubRpc().serving() as stub:
        found = await in_front_of(stub, tmp_path, modes, told)
    assert found == [(status, refused(message, status))] * len(modes.split())


async def test_4_3_accepted_with_a_code_or_without(tmp_path: Path) -> None:
    for number, result in enumerate(({"code": 0}, {"log": ""})):
        async with StubRpc().serving() as stub:
            home = tmp_path / str(number)
            found = await in_front_of(stub, home, "async sync", {"result": result})
        assert [status for status, _ in found] == [202, 202]
        methods = [call["method"] for call in stub.calls]
        assert methods == ["broadcast_tx_async", "broadcast_tx_sync"]


@pytest.mark.parametrize("what", NO_ANSWER)
async def test_4_3_an_engine_that_makes_no_sense(what: str, tmp_path: Path) -> None:
    async with StubRpc().serving() as stub:
        told = NO_ANSWER[what]
        # An answer that did not come is asked for once more.
        found = await in_front_of(stub, tmp_path, "async sync", *[told] * 2)
    assert found == [(500, FAILED)] * 2


async def test_4_3_an_engine_that_is_not_there(tmp_path: Path) -> None:
    async with StubRpc().serving() as stub:
        pass
    found = await in_front_of(stub, tmp_path, "async sync commit")
    assert found == [(503, ABSENT)] * 3


async def test_4_3_a_transaction_that_its_block_refuses(tmp_path: Path) -> None:
    async with StubRpc().serving() as stub:
        client = EngineClient(stub.url, max_connections=2, timeout=60)
        async with instant_node(tmp_path, rpc=client, commit_timeout=60) as node:
            node.block(encode(TAKEN))
            first, second = (transfer(TAKEN, ALICE, metadata={"n": n}) for n in (1, 2))
            site = Site(stub, node.http_url)
            found: list[Reply] = []

            async def wait() -> None:
                found.append(await site.post("commit", second))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await stub.asked.wait()
                node.block(encode(first), encode(second))
            await client.aclose()
    assert found[0].body == refused("Transaction validation failed", 500)


# Errors at a glance, and defects that are not repeated


async def raw_answer(url: str, sent: bytes) -> bytes:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    async with await trio.open_tcp_stream(parts.hostname, parts.port) as stream:
        await stream.send_all(sent)
        return bytes(await stream.receive_some())


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_5_malformed_http(sent: bytes, tmp_path: Path) -> None:
    async with instant_node(tmp_path) as node:
        with trio.fail_after(60):
            answer = await raw_answer(node.http_url, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_6_errors_cost_no_worker(tmp_path: Path) -> None:
    async with StubRpc().serving() as stub:
        client = EngineClient(stub.url, max_connections=2, timeout=0.5)
        async with instant_node(tmp_path, rpc=client) as node:
            site = Site(stub, node.http_url)
            beyond = Case("6", "above int64", "/api/v1/blocks/" + "9" * 19, 404)
            for _ in range(40):
                stub.answers.append(http_answer(b"<html>"))
                assert (await site.post("sync")).status == 500
                assert (await ask(node.http_url, beyond, {})).status == 404
            stub.answers.clear()
            assert (await site.post("sync")).status == 202
            await client.aclose()


async def test_6_who_waits_for_a_block_or_the_engine_holds_up_nobody(
    tmp_path: Path,
) -> None:
    async with StubRpc().serving() as stub:
        client = EngineClient(stub.url, max_connections=2, timeout=60)
        async with instant_node(tmp_path, rpc=client, commit_timeout=60) as node:
            site = Site(stub, node.http_url)
            index = Case("6", "meanwhile", "/", 200)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(site.post, "commit")
                await stub.asked.wait()
                stub.hold = trio.Event()
                nursery.start_soon(site.post, "sync")
                for _ in range(20):
                    assert (await ask(node.http_url, index, {})).status == 200
                nursery.cancel_scope.cancel()
            stub.hold.set()
            await client.aclose()


async def test_6_an_engine_that_says_nothing_is_not_waited_for_for_ever(
    tmp_path: Path,
) -> None:
    async with StubRpc().serving() as stub:
        stub.hold = trio.Event()
        with trio.fail_after(60):
            found = await in_front_of(stub, tmp_path, "sync")
        stub.hold.set()
    assert found == [(503, SILENT)]
