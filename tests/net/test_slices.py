from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trio
from trio.testing import memory_stream_pair

from trio_stream.net.slices import SLICE_BYTES, joined, rest_of, send_slices

T = TypeVar("T")


class Steps:
    """Counts the steps that are made."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self, step: Callable[[], Awaitable[T]], /) -> T:
        self.made += 1
        return await step()


def sockets() -> tuple[trio.SocketStream, trio.SocketStream]:
    ours, theirs = (trio.socket.from_stdlib_socket(s) for s in socket.socketpair())
    return trio.SocketStream(ours), trio.SocketStream(theirs)


async def read(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        data += await stream.receive_some()
    return bytes(data)


@pytest.mark.parametrize("pair", [sockets, memory_stream_pair])
@pytest.mark.parametrize("size", [0, 1, SLICE_BYTES, 5 * SLICE_BYTES + 1])
async def test_all_is_sent_in_steps(
    pair: Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]], size: int
) -> None:
    data, steps = bytes(range(256)) * (size // 256) + bytes(size % 256), Steps()
    ours, theirs = pair()
    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(send_slices, ours, data, steps)
        assert await read(theirs, size) == data
    assert steps.made >= -(-size // SLICE_BYTES)


async def test_a_broken_socket_is_reported_as_a_broken_stream() -> None:
    ours, theirs = sockets()
    await theirs.aclose()
    async with ours:
        with pytest.raises(trio.BrokenResourceError):
            await send_slices(ours, b"x", Steps())


async def test_what_stops_a_step_stops_the_sending() -> None:
    async def stalled(step: Callable[[], Awaitable[T]], /) -> T:
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError("stalled")

    ours, _ = memory_stream_pair()
    with pytest.raises(trio.BrokenResourceError, match="stalled"):
        await send_slices(ours, b"x", stalled)


@pytest.mark.parametrize(
    ("size", "sent", "end", "is_copy"),
    [
        (100, 10, 60, True),
        (8 * SLICE_BYTES, 10, SLICE_BYTES, True),
        (9 * SLICE_BYTES, 10, 2 * SLICE_BYTES, True),
        (3 * SLICE_BYTES, 10, 2 * SLICE_BYTES, False),
    ],
)
def test_little_is_copied_and_much_is_shared(
    size: int, sent: int, end: int, is_copy: bool
) -> None:
    data = bytes(number % 251 for number in range(size))
    rest = rest_of(data, sent, end)
    assert rest == data[sent:end]
    assert isinstance(rest, bytes) is is_copy


def test_what_is_large_is_not_joined() -> None:
    assert joined([b"a", b"b" * (SLICE_BYTES - 1)]) == [b"a" + b"b" * (SLICE_BYTES - 1)]
    large = [b"a", b"b" * SLICE_BYTES]
    assert joined(large) is large
    assert joined([]) == [b""]
