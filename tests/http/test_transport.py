"""Writes to the HTTP server's sockets end, whatever the peer does."""

from __future__ import annotations

import socket

import pytest
import trio

from trio_stream.http.transport import HttpTransport


class Guest:
    """Takes note of what the transport waits for."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def waits(self) -> None:
        self.noted.append("waits")

    def works(self) -> None:
        self.noted.append("works")


def stream_on(raw: socket.socket) -> trio.SocketStream:
    return trio.SocketStream(trio.socket.from_stdlib_socket(raw))


async def test_the_guest_waits_for_its_peer_during_each_slice() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        guest = Guest()
        transport = HttpTransport(stream_on(ours), 60, guest)
        await transport.send_all(b"x" * 65_537)
        assert guest.noted == ["waits", "works"] * 2
        transport.forget()
        await transport.send_all(b"x")
        assert len(guest.noted) == 4


@pytest.mark.parametrize("taken_after", [None, 59])
async def test_nothing_taken_for_its_time_breaks_the_transport(
    autojump_clock: trio.testing.MockClock, taken_after: float | None
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = HttpTransport(stream_on(ours), 60, Guest())
        unread = _fill(ours)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            if taken_after is not None:
                nursery.start_soon(_take, theirs, unread, taken_after)
            with pytest.raises(trio.BrokenResourceError, match="accepted in time"):
                while True:  # what was taken makes room for some of these
                    await transport.send_all(b"x" * 1000)
        assert trio.current_time() - began == pytest.approx((taken_after or 0) + 60)


async def test_nothing_is_written_after_a_slice_that_was_not_fully_accepted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = HttpTransport(stream_on(ours), 60, Guest())
        unread = _fill(ours)
        with pytest.raises(trio.BrokenResourceError):
            await transport.send_all(b"x" * 1_000_000)
        await _take(theirs, unread, 0)
        with pytest.raises(trio.BrokenResourceError):
            await transport.send_all(b"y")
        assert trio.current_time() == 60
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def _fill(sender: socket.socket) -> int:
    """Send until the kernel takes no more; how much it took."""
    sender.setblocking(False)
    taken = 0
    while True:
        try:
            taken += sender.send(b"x" * 1000)
        except BlockingIOError:
            return taken


async def _take(receiver: socket.socket, count: int, after: float) -> None:
    await trio.sleep(after)
    while count:
        count -= len(receiver.recv(min(count, 1000)))


async def test_a_cut_breaks_the_transport_for_who_writes_and_who_will() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = HttpTransport(stream_on(ours), 60, Guest())
        _fill(ours)
        broken: list[bytes] = []

        async def write(data: bytes) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await transport.send_all(data)
            broken.append(data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, b"x")
            await trio.testing.wait_all_tasks_blocked()
            assert broken == []
            transport.cut()
        await write(b"y")
    assert broken == [b"x", b"y"]


async def test_all_else_is_the_sockets_own() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        transport = HttpTransport(stream_on(ours), 60, Guest())
        assert transport.socket.fileno() == ours.fileno()
        await transport.wait_send_all_might_not_block()
        theirs.send(b"abc")
        assert await transport.receive_some(2) == b"ab"
        assert await transport.receive_some() == b"c"
        await transport.send_eof()
        assert theirs.recv(1) == b""
        await transport.aclose()
        with pytest.raises(BrokenPipeError):
            theirs.send(b"d")
