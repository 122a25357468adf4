"""A socket of the HTTP door, on which no wait to write lasts."""

from __future__ import annotations

from typing import Protocol

import trio

# What is offered to a socket at once.
_SLICE = 64 * 1024


class Waiting(Protocol):
    """Who is told when a peer is waited for."""

    def waits(self) -> None: ...

    def works(self) -> None: ...


class HttpTransport(trio.abc.HalfCloseableStream):
    """A socket on which no wait to write lasts, shielded or not.

    Bytes go out in slices; one that is not accepted in time, or a `cut`, breaks the
    stream, which is what hypercorn takes for a peer that has gone.
    """

    def __init__(self, stream: trio.SocketStream, stall_timeout: float) -> None:
        self._stream = stream
        self._stall_timeout = stall_timeout
        self._writing = trio.CancelScope()
        self._cut = False
        self.guest: Waiting | None = None
        # Hypercorn asks it for the addresses of both ends.
        self.socket = stream.socket

    def cut(self) -> None:
        """Break it now, whoever waits."""
        self._cut = True
        self._writing.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            if self.guest is not None:
                self.guest.waits()
            with trio.move_on_after(self._stall_timeout) as self._writing:
                if self._cut:
                    self._writing.cancel()
                await self._stream.send_all(view[start : start + _SLICE])
            if self._writing.cancelled_caught:
                # Part of it may be out: nothing may follow, whoever did not notice.
                self._cut = True
                raise trio.BrokenResourceError("nothing was accepted in time")
            if self.guest is not None:
                self.guest.works()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
