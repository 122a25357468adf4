"""Kept connections to an engine's RPC, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.stub_rpc import StubRpc, http_answer
from trio_stream.engine.rpc import ANSWER_LIMIT, EngineUnavailable, RpcConnections

CALL = b'{"id": "1", "method": "m"}'


@pytest.fixture
async def rpc(stub: StubRpc) -> AsyncIterator[RpcConnections]:
    connections = RpcConnections(stub.url, max_connections=2, timeout=30)
    yield connections
    await connections.aclose()


async def test_the_answer_and_that_it_came_at_once(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    text, repeated = await rpc.post(CALL)
    assert json.loads(text)["result"]["code"] == 0
    assert not repeated
    assert stub.calls == [json.loads(CALL)]


async def test_connections_are_kept_and_bounded(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    for _ in range(3):
        await rpc.post(CALL)
    assert stub.connections == 1
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(rpc.post, CALL)
    assert stub.connections == 2 and stub.most_at_once <= 2


async def test_a_connection_that_the_engine_closed_is_not_used(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    await rpc.post(CALL)
    await stub.close_connections()
    assert not (await rpc.post(CALL))[1]
    assert len(stub.calls) == 2


async def test_a_request_that_met_a_closing_connection_is_repeated_once(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    await rpc.post(CALL)
    stub.answers.append(None)
    assert (await rpc.post(CALL))[1]
    stub.answers += [None, None]
    with pytest.raises(EngineUnavailable, match="without an answer") as unavailable:
        await rpc.post(CALL)
    assert unavailable.value.may_have_arrived and not unavailable.value.is_busy


async def test_a_new_connection_that_ends_is_not_replaced(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    stub.answers.append(None)
    with pytest.raises(EngineUnavailable, match="without an answer"):
        await rpc.post(CALL)
    assert len(stub.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{} more",
    ],
)
async def test_a_connection_that_ends_or_says_too_much_is_not_kept(
    answer: bytes, stub: StubRpc, rpc: RpcConnections
) -> None:
    stub.answers.append(answer)
    assert await rpc.post(CALL) == (b"{}", False)
    await rpc.post(CALL)
    assert stub.connections == 2


async def test_an_answer_may_come_in_chunks(stub: StubRpc, rpc: RpcConnections) -> None:
    stub.answers.append(
        b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    assert await rpc.post(CALL) == (b"{}", False)
    await rpc.post(CALL)
    assert stub.connections == 1


async def test_an_answer_has_a_limit(stub: StubRpc, rpc: RpcConnections) -> None:
    stub.answers.append(http_answer(b" " * (ANSWER_LIMIT + 1)))
    with pytest.raises(EngineUnavailable, match="the answer is too long"):
        await rpc.post(CALL)


async def test_what_is_not_http_is_not_an_answer(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    stub.answers.append(b"HELO engine.example\r\n\r\n")
    with pytest.raises(EngineUnavailable) as unavailable:
        await rpc.post(CALL)
    assert unavailable.value.may_have_arrived


async def test_an_engine_that_is_away_cannot_have_taken_it() -> None:
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    rpc = RpcConnections(f"http://127.0.0.1:{port}", max_connections=1, timeout=30)
    with pytest.raises(EngineUnavailable, match=f"127.0.0.1:{port}") as unavailable:
        await rpc.post(CALL)
    assert not unavailable.value.may_have_arrived and unavailable.value.is_busy
    copy = unavailable.value.again()
    assert str(copy) == str(unavailable.value) and copy.__traceback__ is None


async def test_there_is_a_deadline(mock_clock: MockClock, stub: StubRpc) -> None:
    stub.hold = trio.Event()
    rpc = RpcConnections(stub.url, max_connections=1, timeout=5)

    async def pass_time() -> None:
        await stub.asked.wait()
        mock_clock.jump(6)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_time)
        with pytest.raises(EngineUnavailable, match="no answer within 5 s"):
            await rpc.post(CALL)
    stub.hold.set()


async def test_a_connection_that_rested_too_long_is_replaced(
    mock_clock: MockClock, stub: StubRpc, rpc: RpcConnections
) -> None:
    await rpc.post(CALL)
    mock_clock.jump(6)
    await rpc.post(CALL)
    assert stub.connections == 2


async def test_after_aclose_no_connection_is_kept(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    stub.hold = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rpc.post, CALL)
        await stub.asked.wait()
        await rpc.aclose()
        stub.hold.set()
    await rpc.post(CALL)
    assert stub.connections == 2


@asynccontextmanager
async def resetting(answer: bytes) -> AsyncIterator[RpcConnections]:
    """Connections to a server that answers at once, and closes on unread bytes."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(  # noqa: ASYNC113  # the socket listens already
            trio.serve_listeners, serve, listeners
        )
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        rpc = RpcConnections(url, max_connections=1, timeout=30)
        yield rpc
        await rpc.aclose()
        nursery.cancel_scope.cancel()


async def test_a_request_need_not_be_read_to_be_answered() -> None:
    async with resetting(http_answer(b"{}")) as rpc:
        assert await rpc.post(b"x" * 3_000_000) == (b"{}", False)


@pytest.mark.parametrize("size", [1_000, 3_000_000])
async def test_a_reset_is_not_an_answer(size: int) -> None:
    async with resetting(b"") as rpc:
        with pytest.raises(EngineUnavailable, match="without an answer"):
            await rpc.post(b"x" * size)


@pytest.mark.parametrize("url", ["https://localhost:1", "localhost:26657", "http://:1"])
def test_only_plain_http_is_spoken(url: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        RpcConnections(url, max_connections=1, timeout=1)


async def test_connections_in_use_and_at_rest_are_counted(
    stub: StubRpc, rpc: RpcConnections
) -> None:
    assert rpc.statistics() == (0, 0)
    await rpc.post(CALL)
    assert rpc.statistics() == (0, 1)
