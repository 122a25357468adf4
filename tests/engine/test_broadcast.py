"""The client of the engine's RPC, against a stub over real sockets."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.stub_rpc import StubRpc, http_answer, internal_error
from trio_stream.engine.broadcast import (
    CheckResult,
    EngineClient,
    EngineRefused,
    EngineUnavailable,
)

RAW = b'{"a": 1}'


@pytest.fixture
async def client(stub: StubRpc) -> AsyncIterator[EngineClient]:
    client = EngineClient(stub.url, max_connections=2, timeout=10)
    yield client
    await client.aclose()


async def test_a_transaction_is_broadcast_in_base64_with_an_id(
    stub: StubRpc, client: EngineClient
) -> None:
    assert await client.broadcast("async", RAW) == CheckResult(0, "", "AB")
    [call] = stub.calls
    assert call["method"] == "broadcast_tx_async"
    assert call["params"] == [base64.b64encode(RAW).decode()]
    assert call["jsonrpc"] == "2.0" and call["id"]


async def test_the_verdict_of_the_application_is_a_result(
    stub: StubRpc, client: EngineClient
) -> None:
    stub.answers.append({"result": {"code": 1, "log": "no", "hash": "CD"}})
    assert await client.broadcast("sync", RAW) == CheckResult(1, "no", "CD")
    assert stub.calls[0]["method"] == "broadcast_tx_sync"


async def test_a_result_without_a_code_is_acceptance(
    stub: StubRpc, client: EngineClient
) -> None:
    stub.answers.append({"result": {}})
    assert (await client.broadcast("sync", RAW)).code == 0


@pytest.mark.parametrize(("code", "read"), [("code=7, data=", 7), ("", 1)])
async def test_a_verdict_that_comes_as_an_error_is_a_result(
    code: str, read: int, stub: StubRpc, client: EngineClient
) -> None:
    text = f"broadcast error on transaction validation: tx AB is invalid: {code}"
    stub.answers.append(internal_error(text))
    assert await client.broadcast("sync", RAW) == CheckResult(read, text, "")


@pytest.mark.parametrize(
    ("data", "known"),
    [
        ("Tx already exists in cache", True),
        ("tx already exists in cache", True),
        ("tx already seen", True),
        ("mempool is full: number of txs 2 (max: 2)", False),
    ],
)
async def test_a_refusal_of_the_engine_is_raised(
    data: str, known: bool, stub: StubRpc, client: EngineClient
) -> None:
    stub.answers.append(internal_error(data))
    with pytest.raises(EngineRefused) as refused:
        await client.broadcast("sync", RAW)
    assert refused.value.already_known is known
    assert refused.value.code == -32603
    assert str(refused.value) == f"Internal error - {data}"


async def test_missing_texts_of_an_error_are_those_of_the_reference(
    stub: StubRpc, client: EngineClient
) -> None:
    stub.answers.append({"error": {"code": "x"}})
    with pytest.raises(EngineRefused) as refused:
        await client.broadcast("async", RAW)
    assert (refused.value.message, refused.value.data) == ("Internal Error", "")


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(b"no JSON"),
        http_answer(b"[" * 100_000),
        http_answer(b"[]"),
        http_answer(b'{"id": "1"}'),
        http_answer(b'{"id": "other", "result": {}}'),
        http_answer(b'{"id": "1", "error": "text"}'),
        http_answer(b""),
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b" " * 2_000_000,
        None,
    ],
)
async def test_an_answer_that_cannot_be_understood_is_not_a_refusal(
    answer: Any, stub: StubRpc, client: EngineClient
) -> None:
    stub.answers.append(answer)
    with pytest.raises(EngineUnavailable) as unavailable:
        await client.broadcast("async", RAW)
    assert unavailable.value.may_have_arrived
    assert (await client.broadcast("async", RAW)).code == 0


async def test_an_engine_that_is_away_cannot_have_taken_it(stub: StubRpc) -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = EngineClient(f"http://127.0.0.1:{port}", max_connections=1, timeout=10)
        with pytest.raises(EngineUnavailable) as unavailable:
            await client.broadcast("async", RAW)
    assert not unavailable.value.may_have_arrived


async def test_an_answer_has_time_until_the_deadline(stub: StubRpc) -> None:
    stub.hold = trio.Event()
    client = EngineClient(stub.url, max_connections=1, timeout=0.05)
    with pytest.raises(EngineUnavailable, match="within 0.05 s") as unavailable:
        await client.broadcast("async", RAW)
    assert unavailable.value.may_have_arrived
    stub.hold.set()
    assert (await client.broadcast("async", RAW)).code == 0
    await client.aclose()


async def at_once(client: EngineClient, count: int, *, size: int = 1) -> list[Any]:
    """Broadcast `count` at the same time; returns their outcomes."""
    found: list[Any] = [None] * count

    async def broadcast(i: int) -> None:
        try:
            found[i] = await client.broadcast("async", b"x" * size)
        except (EngineRefused, EngineUnavailable) as error:
            found[i] = error

    async with trio.open_nursery() as nursery:
        for i in range(count):
            nursery.start_soon(broadcast, i)
    return found


async def test_connections_are_used_again_and_bounded(
    stub: StubRpc, client: EngineClient
) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(client.broadcast, "sync", RAW)
    assert len(stub.calls) == 20
    assert stub.connections == stub.most_at_once == 2


async def test_broadcasts_that_come_together_go_together(
    stub: StubRpc, client: EngineClient
) -> None:
    found = await at_once(client, 25)
    assert found == [CheckResult(0, "", "AB")] * 25
    assert stub.batches == [10, 10, 5] and stub.connections == 1
    assert len({call["id"] for call in stub.calls}) == 25


async def test_each_of_a_batch_has_its_own_answer(
    stub: StubRpc, client: EngineClient
) -> None:
    cached = internal_error("tx already exists in cache")
    stub.answers += [{}, cached, {"result": {"code": 3}}, {"id": "9"}, {"error": "x"}]
    found = await at_once(client, 6)
    assert Counter(type(each).__name__ for each in found) == {
        "EngineUnavailable": 3,
        "EngineRefused": 1,
        "CheckResult": 2,
    }
    assert CheckResult(3, "", "") in found
    assert stub.batches == [6]


async def test_large_broadcasts_go_one_by_one(
    stub: StubRpc, client: EngineClient
) -> None:
    found = await at_once(client, 4, size=400_000)
    assert found == [CheckResult(0, "", "AB")] * 4
    assert stub.batches == [1, 1, 1, 1]


async def test_an_engine_that_takes_no_batch_is_asked_one_by_one(
    stub: StubRpc, client: EngineClient
) -> None:
    error = b'{"error": {"code": -32600, "message": "too many"}, "id": ""}'
    stub.answers += [http_answer(error)]
    stub.answers += [internal_error("mempool is full"), {"result": {"hash": "C"}}]
    found = await at_once(client, 5)
    assert stub.batches == [5, 1, 1, 1, 1, 1]
    refused = [str(each) for each in found if isinstance(each, EngineRefused)]
    assert refused == ["Internal error - mempool is full"]
    assert CheckResult(0, "", "C") in found
    await at_once(client, 5)
    assert stub.batches[6:] == [1] * 5


async def test_behind_an_engine_that_hangs_everybody_hears_of_it(
    stub: StubRpc, patient_clock: MockClock
) -> None:
    stub.hold = trio.Event()
    client = EngineClient(stub.url, max_connections=4, timeout=5)
    found = await at_once(client, 30)
    assert all(isinstance(each, EngineUnavailable) and each.is_busy for each in found)
    assert len(stub.batches) <= 2
    stub.hold.set()
    await client.aclose()


async def test_a_request_that_met_a_closing_connection_is_made_again(
    stub: StubRpc, client: EngineClient
) -> None:
    await client.broadcast("async", RAW)
    stub.answers += [None, {"result": {"hash": "second"}}]
    assert (await client.broadcast("async", RAW)).hash == "second"
    assert stub.calls[1]["params"] == stub.calls[2]["params"]


async def test_refused_as_known_after_a_repetition_it_had_arrived(
    stub: StubRpc, client: EngineClient
) -> None:
    await client.broadcast("async", RAW)
    stub.answers += [None, internal_error("tx already exists in cache")]
    assert (await client.broadcast("async", RAW)).code == 0


@asynccontextmanager
async def resetting(answer: bytes) -> AsyncIterator[EngineClient]:
    """A client of a server that answers unasked and closes on unread bytes."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listen = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        [listener] = await nursery.start(listen)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        client = EngineClient(url, max_connections=1, timeout=10)
        yield client
        await client.aclose()
        nursery.cancel_scope.cancel()


async def test_a_body_refused_while_it_is_sent_is_reported() -> None:
    text = b'{"id":"","error":{"code":-32600,"message":"Invalid Request","data":"x"}}'
    async with resetting(http_answer(text)) as client:
        with pytest.raises(EngineRefused, match="Invalid Request - x"):
            await client.broadcast("async", b"x" * 3_000_000)


async def test_an_engine_that_closes_on_a_batch_is_reported_to_each_of_it(
    stub: StubRpc, client: EngineClient
) -> None:
    stub.answers.append(None)
    found = await at_once(client, 3)
    assert [type(each) for each in found] == [EngineUnavailable] * 3
    assert len({id(each) for each in found}) == 3


async def test_at_rest_nothing_is_busy(stub: StubRpc) -> None:
    client = EngineClient(stub.url, max_connections=2, timeout=30)
    assert client.statistics() == ((0, 0), 0)
    await client.broadcast("sync", b"a")
    assert client.statistics() == ((0, 1), 0)
    await client.aclose()
