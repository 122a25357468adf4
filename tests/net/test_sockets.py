"""What a server asks of its sockets, on real ones and in memory."""

from __future__ import annotations

import socket
import sys

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from trio_stream.net.sockets import (
    LINGER_SECONDS,
    give_up_after,
    linger,
    reset_on_close,
    turn_away,
    unacknowledged,
)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


class WithoutEof(trio.abc.Stream):
    """A stream that can only be closed as a whole, as under TLS."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def test_lingering_ends_when_the_peer_closes(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(linger, ours)
        assert await theirs.receive_some() == b""
        await theirs.send_all(b"late")
        await trio.sleep(LINGER_SECONDS / 2)
        await theirs.send_eof()
    assert trio.current_time() == pytest.approx(LINGER_SECONDS / 2)


@pytest.mark.parametrize(("pause", "seconds"), [(1.5, 10), (5, LINGER_SECONDS)])
async def test_lingering_has_limits(
    pause: float, seconds: float, autojump_clock: MockClock
) -> None:
    """In all, and without a byte."""
    ours, theirs = memory_stream_pair()

    async def talk() -> None:
        while True:
            await theirs.send_all(b"more")
            await trio.sleep(pause)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        await linger(ours, most=10)
        nursery.cancel_scope.cancel()
    assert trio.current_time() == pytest.approx(seconds)


async def test_lingering_on_a_closed_stream_or_one_without_eof(
    autojump_clock: MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    await ours.aclose()
    await linger(ours)
    ours, theirs = memory_stream_pair()
    await theirs.aclose()
    await linger(WithoutEof(ours))
    assert trio.current_time() == 0


def test_a_peer_that_is_turned_away_reads_why() -> None:
    client, server = tcp_pair()
    with client, server:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        turn_away(server, b"full")
        server.close()
        assert client.recv(100) == b"full"
        assert client.recv(100) == b""


def test_turning_away_a_peer_that_has_gone_is_harmless() -> None:
    client, server = tcp_pair()
    client.close()
    turn_away(server, b"full")
    server.close()
    turn_away(server, b"full")


def test_a_reset_drops_what_is_unread() -> None:
    client, server = tcp_pair()
    with client, server:
        reset_on_close(server)
        server.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        reset_on_close(server)


def test_bytes_that_the_peer_has_not_acknowledged() -> None:
    client, server = tcp_pair()
    with client, server:
        assert unacknowledged(server) == 0
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                server.send(bytes(1 << 20))
        assert unacknowledged(server) > 1 << 16
    with open("/dev/null", "rb") as no_socket:
        assert unacknowledged(no_socket) == 0  # type: ignore[arg-type]  # it has a number


@pytest.mark.skipif(sys.platform != "linux", reason="has no such option")
def test_the_kernel_gives_up_after_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = tcp_pair()
    with client, server:
        give_up_after(server, 1.5)
        option = socket.TCP_USER_TIMEOUT
        assert server.getsockopt(socket.IPPROTO_TCP, option) == 1500
        monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
        give_up_after(server, 7)
        assert server.getsockopt(socket.IPPROTO_TCP, option) == 1500
