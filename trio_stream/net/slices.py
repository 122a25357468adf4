"""Sends bytes in slices, to distinguish a peer that takes some of them from one that stalls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

import trio

SLICE_BYTES: Final = 64 * 1024
"""A socket that takes nothing of a slice has made no progress; one that takes a part has."""
# An SSLStream does not report that it sent a part of its data, so it gets one TLS record.
_TLS_SLICE_BYTES: Final = 16 * 1024

T = TypeVar("T")


class Step(Protocol):
    """Awaits one step, which ends when the socket has taken something."""

    async def __call__(self, step: Callable[[], Awaitable[T]], /) -> T: ...


async def send_slices(
    stream: trio.abc.SendStream,
    data: bytes | bytearray | memoryview,
    progress: Step,
) -> None:
    """Send all of it. Raises as the stream does, and as `progress` does."""
    unsent = memoryview(data)
    if isinstance(stream, trio.SocketStream):
        send = stream.socket.send
        while unsent:
            try:
                sent = await progress(partial(send, unsent[:SLICE_BYTES]))
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
            unsent = unsent[sent:]
    else:
        while unsent:
            await progress(partial(stream.send_all, unsent[:_TLS_SLICE_BYTES]))
            unsent = unsent[_TLS_SLICE_BYTES:]


def joined(parts: list[bytes]) -> list[bytes]:
    """The same bytes in one part, unless there are many, which are not copied."""
    return [b"".join(parts)] if sum(map(len, parts)) <= SLICE_BYTES else parts


def rest_of(data: bytes, sent: int, end: int) -> bytes | memoryview:
    """What is unsent of a part of data that others have too, and that ends at `end`.

    It is a copy, unless that would be much of the data, which is then held on to instead.
    """
    rest = memoryview(data)[sent:end]
    is_much = len(rest) > SLICE_BYTES and 4 * len(rest) > len(data)
    return rest if is_much else bytes(rest)
