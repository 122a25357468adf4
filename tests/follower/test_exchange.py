from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import pytest
import trio

from tests.follower.wires import (
    Serve,
    Wires,
    chunked,
    http,
    read_request,
    scripted,
)
from tests.tls_contexts import tls_contexts
from trio_stream.cometbft.errors import TooLarge, Truncated
from trio_stream.follower.dialing import Address
from trio_stream.follower.exchange import (
    IDLE_SECONDS,
    PATIENCE,
    Exchange,
)
from trio_stream.follower.troubles import NoAnswer, Overworked, Trouble, Unreachable


@asynccontextmanager
async def exchanging(
    *answers: bytes | None | float, url: str = "http://node/prefix/"
) -> AsyncIterator[tuple[Exchange, Wires]]:
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving["node"] = scripted(*answers)
        exchange = Exchange(Address.of(url), connections=2, open_tcp=wires.open_tcp)
        yield exchange, wires
        await exchange.aclose()
        nursery.cancel_scope.cancel()


async def test_connections_are_kept() -> None:
    async with exchanging(http(b"1"), chunked(b"2", b"3"), http(b"4")) as (
        exchange,
        wires,
    ):
        got = [await exchange.post(b"{}", limit=10) for _ in range(3)]
        assert got == [b"1", b"23", b"4"]
        assert wires.dialled == [("node", 80)]


@pytest.mark.parametrize(
    "answer",
    [
        chunked(*[b"1"] * 10_000),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2_500 + http(b"1" * 10_000),
    ],
)
async def test_others_have_a_turn_while_an_answer_is_in_ten_thousand_pieces(
    answer: bytes,
) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with exchanging(answer) as (exchange, _), trio.open_nursery() as nursery:
        nursery.start_soon(count)
        assert await exchange.post(b"{}", limit=10_000) == b"1" * 10_000
        assert turns > 15
        nursery.cancel_scope.cancel()


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async with exchanging(http(b"1"), None, http(b"2")) as (exchange, wires):
        assert await exchange.post(b"{}", limit=10) == b"1"
        assert await exchange.post(b"{}", limit=10) == b"2"
        assert len(wires.dialled) == 2


async def test_idle_connections_get_old(autojump_clock: trio.abc.Clock) -> None:
    async with exchanging(http(b"1"), http(b"2")) as (exchange, wires):
        await exchange.post(b"{}", limit=10)
        await trio.sleep(IDLE_SECONDS)
        await exchange.post(b"{}", limit=10)
        assert len(wires.dialled) == 2


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (None, NoAnswer, "closed without"),
        (b"no http\r\n\r\n", NoAnswer, "not HTTP"),
        (http(b"12345678901"), TooLarge, "more than 10"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12",
            Truncated,
            "within the body",
        ),
        (chunked(b"123", end=False), Truncated, "within the body"),
        (http(b"<html>", "502 Bad Gateway"), Overworked, "status 502"),
        (http(b"", "301 Moved", "Location: https://x/"), Unreachable, "'https://x/'"),
    ],
)
async def test_what_is_no_answer_has_a_name(
    answer: bytes | None, error: type[Exception], text: str
) -> None:
    async with exchanging(answer) as (exchange, _):
        with pytest.raises(error, match=text):
            await exchange.post(b"{}", limit=10)


async def test_every_wait_ends(autojump_clock: trio.abc.Clock) -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12"

    async def answered(serve: Serve, error: type[Exception]) -> None:
        async with trio.open_nursery() as nursery:
            wires = Wires(nursery)
            wires.serving["node"] = serve
            exchange = Exchange(
                Address.of("http://node"), connections=1, open_tcp=wires.open_tcp
            )
            with pytest.raises(error):
                await exchange.post(b"{}", limit=10**6)
            nursery.cancel_scope.cancel()

    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async def stalling(stream: trio.abc.Stream) -> None:
        await stream.send_all(begun)
        await trio.sleep_forever()

    async def dripping(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
        while True:
            await trio.sleep(10)
            await stream.send_all(b"x")

    for serve, error, seconds in (
        (silent, NoAnswer, PATIENCE.first_byte),
        (stalling, Truncated, PATIENCE.stall),
        (dripping, NoAnswer, PATIENCE.whole),
    ):
        start = trio.current_time()
        await answered(serve, error)
        assert trio.current_time() - start == pytest.approx(seconds)


async def test_nobody_there(autojump_clock: trio.abc.Clock) -> None:
    async def never(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    address = Address.of("http://node")
    async with exchanging(url="http://other") as (exchange, _):
        with pytest.raises(Unreachable, match="nobody"):
            await exchange.post(b"{}", limit=10)
    with pytest.raises(Unreachable, match="within 10 s"):
        await Exchange(address, connections=1, open_tcp=never).post(b"", limit=1)


async def test_a_peer_without_tls_is_named() -> None:
    async def plain(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with exchanging(url="https://node") as (exchange, wires):
        wires.serving["node"] = plain
        with pytest.raises(Trouble, match="TLS failed|not connected"):
            await exchange.post(b"{}", limit=10)


async def test_tls(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)
    inner = scripted(http(b"1"))

    async def serve(stream: trio.abc.Stream) -> None:
        await inner(
            trio.SSLStream(stream, server, server_side=True, https_compatible=True)
        )

    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving["localhost"] = serve
        exchange = Exchange(
            Address.of("https://localhost"),
            connections=1,
            open_tcp=wires.open_tcp,
            context=client,
        )
        assert await exchange.post(b"{}", limit=10) == b"1"
        assert wires.dialled == [("localhost", 443)]
        await exchange.aclose()
        nursery.cancel_scope.cancel()


async def test_a_node_that_gives_up_on_an_answer_is_not_asked_again_at_once(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with exchanging(http(b"1"), 11.0, None) as (exchange, wires):
        await exchange.post(b"{}", limit=10)
        with pytest.raises(NoAnswer, match="closed without"):
            await exchange.post(b"{}", limit=10)
        assert len(wires.dialled) == 1


async def test_a_peer_that_resets_or_takes_nothing(
    autojump_clock: trio.abc.Clock,
) -> None:
    class Deaf(trio.abc.Stream):
        def __init__(self, resets: bool) -> None:
            self._resets = resets

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            if not self._resets:
                await trio.sleep_forever()
            raise trio.BrokenResourceError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise trio.BrokenResourceError

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def aclose(self) -> None:
            await trio.lowlevel.checkpoint()

    for resets, text in ((True, "closed without"), (False, "was not taken")):

        async def open_tcp(host: str, port: int, resets: bool = resets) -> Deaf:
            await trio.lowlevel.checkpoint()
            return Deaf(resets)

        exchange = Exchange(Address.of("http://node"), connections=1, open_tcp=open_tcp)
        with pytest.raises(NoAnswer, match=text):
            await exchange.post(b"{}", limit=10)


async def test_any_request_can_be_made() -> None:
    asked: list[h11.Request] = []

    async def serve(stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        while (request := await read_request(stream, connection)) is not None:
            asked.append(request[0])
            await stream.send_all(
                b"HTTP/1.1 404 X\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"
            )
            connection.send(h11.Response(status_code=200, headers=[]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()

    async with exchanging() as (exchange, wires):
        wires.serving["node"] = serve
        reply = await exchange.request("GET", "/block?height=1", limit=10)
        assert (reply.status, reply.body) == (404, b"no")
        assert reply.headers["content-type"] == "text/plain"
        assert (asked[0].method, asked[0].target) == (b"GET", b"/prefix/block?height=1")
        # What must not be made twice is not sent on a connection that may be closed.
        await exchange.request("POST", "", b"{}", limit=10, once=True)
        await exchange.request("GET", "/health", limit=10)
        assert len(wires.dialled) == 2
