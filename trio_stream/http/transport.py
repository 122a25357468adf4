"""A socket of the HTTP server, on which every wait to write ends."""

from __future__ import annotations

from typing import Protocol

import trio

# What is offered to a socket at once.
_SLICE = 64 * 1024


class Waiting(Protocol):
    """Takes note of when the peer is waited for."""

    def waits(self) -> None: ...

    def works(self) -> None: ...


class HttpTransport(trio.abc.HalfCloseableStream):
    """A socket on which every wait to write ends, shielded or not.

    Bytes are sent in slices. A slice that is not accepted in time, or a `cut`, breaks the stream,
    which hypercorn takes for a peer that has disconnected.
    """

    def __init__(
        self, stream: trio.SocketStream, stall_timeout: float, guest: Waiting
    ) -> None:
        self._stream = stream
        self._stall_timeout = stall_timeout
        self._writing = trio.CancelScope()
        self._cut = False
        self._guest: Waiting | None = guest
        # Hypercorn reads the addresses of both ends from it.
        self.socket = stream.socket

    def cut(self) -> None:
        """Break the stream now, even for a task that waits to write."""
        self._cut = True
        self._writing.cancel()

    def forget(self) -> None:
        """Let go of the guest, once it has ended: each holds the other."""
        self._guest = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            if self._guest is not None:
                self._guest.waits()
            with trio.move_on_after(self._stall_timeout) as self._writing:
                if self._cut:
                    self._writing.cancel()
                await self._stream.send_all(view[start : start + _SLICE])
            if self._writing.cancelled_caught:
                # Part of the slice may be sent, so nothing may follow it.
                self._cut = True
                raise trio.BrokenResourceError("nothing was accepted in time")
            if self._guest is not None:
                self._guest.works()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
