from __future__ import annotations

import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests.memory_log import event
from tests.websocket_peer import CLOSE, PING, TEXT, frame
from trio_stream.stream.frames import (
    Frames,
    close_frame,
    frame_events,
    ping_frame,
    text_frame,
)
from trio_stream.stream.position import Position
from trio_stream.websocket.subscriber_stream import State, SubscriberStream

START = Position.end_of(0)

ONE = frame_events([event(1, 0)], start=START, end=Position.end_of(1))
MANY = frame_events(
    [event(1, index) for index in range(3_000)], start=START, end=Position.end_of(1)
)
PONG = b"\x8a\x00"


class Shy:
    """A socket that can be made to take no more than so many bytes of each write."""

    def __init__(self, raw: socket.socket) -> None:
        self.takes: int | None = None
        self.fileno, self.close, self.setsockopt = raw.fileno, raw.close, raw.setsockopt
        self._raw = raw

    def send(self, data: bytes) -> int:
        return self._raw.send(data[: self.takes])


@dataclass
class Connection:
    stream: SubscriberStream
    raw: Shy
    peer: trio.SocketStream
    left: list[int]  # the descriptor, when the stream was left

    async def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = await self.peer.receive_some(size - len(data))
            assert more, "closed too early"
            data += bytes(more)
        return data

    def owe(self) -> int:
        """Let the socket take a part of `ONE`, and be full then; how many bytes it holds."""
        part = 100
        self.raw.takes = part
        assert self.stream.send_nowait(ONE, 0) == len(ONE.data)
        self.raw.takes = None
        assert self.stream.state is State.OWING
        return part + self.stuff()

    def stuff(self) -> int:
        """Send zeros until the socket is full; how many."""
        stuffed = 0
        for size in (65536, 1):
            with suppress(BlockingIOError):
                while True:
                    stuffed += self.raw.send(bytes(size))
        return stuffed


def over_tcp() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection that can be reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        raw, _ = listener.accept()
    return raw, theirs


@asynccontextmanager
async def connected(
    *,
    upgraded: bool = True,
    turn: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    ends: Callable[[], tuple[socket.socket, socket.socket]] = socket.socketpair,
) -> AsyncIterator[Connection]:
    """A stream and its peer; a full socket stays full, which one of TCP need not.

    A peer's kernel may make room though nobody reads, some time after the last write.
    """
    raw, theirs = ends()
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    shy = Shy(raw)
    stream = SubscriberStream(
        transport,
        cast(socket.socket, shy),
        in_place=True,
        request=b"GET",
        stall_timeout=60,
        turn=turn,
    )
    left: list[int] = []
    stream.on_close = lambda: left.append(raw.fileno())
    peer = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    connection = Connection(stream, shy, peer, left)
    async with peer, stream:
        if upgraded:
            assert await stream.receive_some() == b"GET"
            await stream.send_all(b"101")
            await connection.read(3)
        yield connection


async def test_frames_are_written_without_waiting() -> None:
    async with connected() as one:
        assert one.stream.send_nowait(ONE, 0) is None

        assert one.stream.state is State.IDLE
        assert await one.read(len(ONE.data)) == ONE.data


async def test_of_a_frame_that_is_begun_the_rest_is_kept() -> None:
    async with connected() as one:
        end = one.stream.send_nowait(MANY, 0)
        assert end is not None and end in MANY.ends
        assert one.stream.send_nowait(MANY, end) == end  # not while it owes

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.settle)
            assert await one.read(end) == MANY.data[:end]
        assert one.stream.send_nowait(ONE, 0) is None


async def test_the_rest_of_the_last_frame_is_owed_too() -> None:
    async with connected() as one:
        held = one.owe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.settle)
            data = await one.read(held + len(ONE.data) - 100)

        assert data[:100] + data[held:] == ONE.data


async def test_of_a_large_unit_that_all_share_no_copy_is_made() -> None:
    # One position, many frames.
    data = text_frame(b"x" * 1_000) * 500
    unit = Frames(
        Position(1, 0), Position(1, 1), data, [len(data)], [Position(1, 1).key]
    )
    async with connected() as one:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            assert one.stream.send_nowait(unit, 0) == len(data)
            now, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert one.stream.state is State.OWING
        assert now - before < 50_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.settle)
            assert await one.read(len(data)) == data
        assert one.stream.send_nowait(ONE, 0) is None


async def test_a_full_socket_is_waited_for_though_nothing_is_kept() -> None:
    async with connected() as one:
        held = one.stuff()
        assert one.stream.send_nowait(ONE, 0) == 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.settle)
            await wait_all_tasks_blocked()
            assert one.stream.send_nowait(ONE, 0) == 0
            await one.read(held)

        assert one.stream.send_nowait(ONE, 0) is None


async def test_frames_from_an_offset_on() -> None:
    async with connected() as one:
        offset = MANY.ends[-3]

        assert one.stream.send_nowait(MANY, offset) is None
        assert await one.read(len(MANY.data) - offset) == MANY.data[offset:]


async def test_what_the_library_sends_comes_after_what_is_owed() -> None:
    async with connected() as one:
        held = one.owe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.send_all, PONG)
            nursery.start_soon(one.stream.settle)
            await wait_all_tasks_blocked()
            assert one.stream.state is State.WRITING
            assert one.stream.send_nowait(ONE, 0) == 0  # not inside of that

            data = await one.read(held + len(ONE.data) - 100 + 2)
        assert data[held:] == ONE.data[100:] + PONG
        assert one.stream.send_nowait(ONE, 0) is None


async def test_after_a_close_no_event_follows() -> None:
    async with connected() as one:
        await one.stream.send_all(close_frame(1001))

        assert one.stream.state is State.CLOSED
        assert one.stream.send_nowait(ONE, 0) == 0
        assert not one.stream.frame_nowait(ping_frame())
        with pytest.raises(trio.ClosedResourceError):
            await one.stream.settle()
        await one.stream.frame(ping_frame())


async def test_pings_are_not_passed_on_after_a_close() -> None:
    async with connected() as one:
        await one.stream.send_all(close_frame(1001))
        await one.peer.send_all(frame(PING) + frame(CLOSE, b"\x03\xe9"))

        assert (await one.stream.receive_some())[0] == 0x88


@pytest.mark.parametrize("broken", [False, True])
async def test_who_goes_by_himself_is_left_in_his_turn(broken: bool) -> None:
    turn = trio.Event()
    async with connected(turn=turn.wait, ends=over_tcp) as one:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def read() -> None:
                with suppress(trio.BrokenResourceError):
                    assert await one.stream.receive_some() == b""

            if broken:
                linger = b"\1\0\0\0\0\0\0\0"
                one.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await one.peer.aclose()
            await trio.sleep(0.05)
            assert one.left == []

            turn.set()
        assert len(one.left) == 1


async def test_a_broken_connection_is_left_before_its_descriptor_is_free() -> None:
    async with connected(ends=over_tcp) as one:
        number = one.raw.fileno()
        one.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await one.peer.aclose()

        assert one.stream.send_nowait(ONE, 0) == 0

        assert one.left == [number]
        assert one.raw.fileno() == -1
        assert one.stream.state is State.CLOSED
        assert one.stream.reason is not None and "broken" in one.stream.reason
        assert not one.stream.frame_nowait(ping_frame())


async def test_a_ping_into_a_broken_connection_closes_it() -> None:
    async with connected(ends=over_tcp) as one:
        one.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await one.peer.aclose()

        assert not one.stream.frame_nowait(ping_frame())
        assert one.stream.state is State.CLOSED


async def test_pings_are_written_without_waiting() -> None:
    async with connected() as one:
        assert one.stream.drained
        assert one.stream.frame_nowait(ping_frame())
        assert await one.read(2) == b"\x89\x00"

        one.owe()
        assert not one.stream.drained
        assert not one.stream.frame_nowait(ping_frame())


async def test_no_byte_taken_for_its_time_is_a_stall(autojump_clock: MockClock) -> None:
    async with connected() as one:
        one.owe()
        start = trio.current_time()

        with pytest.raises(trio.BrokenResourceError, match="stalled"):
            await one.stream.settle()

        assert trio.current_time() - start == pytest.approx(60)
        assert len(one.left) == 1


async def test_whatever_is_taken_restarts_the_clock(autojump_clock: MockClock) -> None:
    async with connected() as one:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.send_all, MANY.data)
            got = b""
            while len(got) < len(MANY.data):
                await trio.sleep(2)  # some KB each time: slow, and alive
                got += bytes(await one.peer.receive_some(8192))

        assert got == MANY.data
        assert trio.current_time() - start > 120


async def test_a_reader_of_the_log_that_takes_nothing_is_a_stall_too(
    autojump_clock: MockClock,
) -> None:
    async with connected() as one:
        one.owe()

        with pytest.raises(trio.BrokenResourceError, match="stalled"):
            await one.stream.wait_send_all_might_not_block()


async def test_to_be_cancelled_inside_a_frame_cuts_the_connection() -> None:
    async with connected() as one:
        one.owe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stream.settle)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

        assert one.stream.state is State.CLOSED
        assert one.raw.fileno() == -1


async def test_nothing_of_the_client_is_read_before_the_101_is_out() -> None:
    async with connected(upgraded=False) as one:
        await one.peer.send_all(frame(PING, b"early"))
        assert await one.stream.receive_some() == b"GET"
        got: list[bytes] = []
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def read() -> None:
                got.append(await one.stream.receive_some())

            await wait_all_tasks_blocked()
            assert not got
            await one.stream.send_all(b"101")

        assert got == [b"\x89\x85\0\0\0\0early"]


async def test_the_end_of_the_connection_is_passed_on_and_leaves_it() -> None:
    async with connected(ends=over_tcp) as one:
        await one.peer.send_eof()

        assert await one.stream.receive_some() == b""
        assert len(one.left) == 1


async def test_what_breaks_the_protocol_is_closed_and_lingered_for(
    autojump_clock: MockClock,
) -> None:
    async with connected(ends=over_tcp) as one:
        await one.peer.send_all(frame(TEXT, b"\xff") + bytes(100_000))
        start = trio.current_time()

        assert await one.stream.receive_some() == b""

        assert trio.current_time() - start == pytest.approx(2)
        assert await one.read(4) == close_frame(1007)
        assert one.stream.reason == "the client broke the protocol: 1007"


async def test_who_is_dismissed_hears_why_and_is_cut() -> None:
    async with connected() as one:
        await one.stream.dismiss(1011, "no answer")

        assert await one.read(4) == close_frame(1011)
        assert one.stream.reason == "no answer"
        assert one.raw.fileno() == -1


async def test_who_takes_nothing_is_dismissed_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async with connected() as one:
        one.owe()
        start = trio.current_time()

        await one.stream.dismiss(1011, "no answer")

        assert trio.current_time() - start == pytest.approx(2)
        assert one.raw.fileno() == -1


async def test_closing_twice_is_closing_once() -> None:
    async with connected() as one:
        await one.stream.aclose()
        one.stream.cut("again")
        await one.stream.aclose()

        assert len(one.left) == 1
        assert one.stream.reason == "closed"


async def test_over_a_stream_that_is_no_socket_nothing_is_in_place(
    autojump_clock: MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    stream = SubscriberStream(ours, None, in_place=False, request=b"", stall_timeout=60)

    assert not stream.in_place and stream.drained
    assert stream.send_nowait(ONE, 0) == 0
    await stream.send_all(MANY.data)
    assert await theirs.receive_some() == MANY.data
    await stream.frame(ping_frame())
    assert await theirs.receive_some() == b"\x89\x00"
    await stream.aclose()
