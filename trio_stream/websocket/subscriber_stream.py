"""The byte stream of one subscriber, between its socket and the WebSocket library.

Frames that all subscribers share bypass the library: they are written straight to the socket
and without waiting. That needs one place that knows who is writing, because bytes written beside
a pending write land inside its frame, and a lock cannot be handed from task to task:

    idle      nobody writes, nothing is unsent; `send_nowait` may write
    writing   one task owns the stream, the others queue
    owing     the socket was full: the rest of one frame is kept (of all at one position), or
              just that fact; the next one to write sends the rest first
    closed    nothing more may be sent: a Close was sent, or the connection is closed

Everything else, the library's answers to Ping and Close included, comes through
`send_all`. One rule decides here which client is cut for slowness: no byte accepted by the
socket for `stall_timeout` while bytes are owed. There is no deadline on a whole send.

On the way in, messages are dropped (`stream.inbound`). Before anything else the library gets
the request, which has been read and judged already.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import trio

from trio_stream.net.slices import rest_of, send_slices
from trio_stream.net.sockets import (
    LINGER_SECONDS,
    linger,
    reset_on_close,
    unacknowledged,
)
from trio_stream.stream.frames import Frames, close_frame, is_close
from trio_stream.stream.inbound import ClientFrames

T = TypeVar("T")


class State(enum.Enum):
    IDLE = enum.auto()
    WRITING = enum.auto()
    OWING = enum.auto()
    CLOSED = enum.auto()


# Looking up an enum's member takes 40 ns in Python 3.11, for each client and block.
_IDLE = State.IDLE


class SubscriberStream(trio.abc.Stream):
    """A subscriber's stream, from the upgrade on.

    `raw` is the socket below `stream`. With `in_place`, frames may be written to it
    directly; this is not possible under TLS. `on_close` is called once, in the step in which
    the connection is found to be closed, before the descriptor is free. If the client has
    closed it, `turn` is awaited before that, since all clients may do so at once.
    """

    __slots__ = (
        "_early",
        "_gone",
        "_kept",
        "_open",
        "_raw",
        "_request",
        "_send",
        "_stall_timeout",
        "_stream",
        "_wait_for_turn",
        "_writer",
        "inbound",
        "on_close",
        "reason",
        "state",
    )

    def __init__(
        self,
        stream: trio.abc.Stream,
        raw: socket.socket | None,
        *,
        in_place: bool,
        request: bytes,
        early: bytes = b"",
        stall_timeout: float,
        turn: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    ) -> None:
        self.state = State.IDLE
        self.inbound = ClientFrames()
        self.on_close: Callable[[], None] | None = None
        self.reason: str | None = None
        self._stream = stream
        self._raw = raw
        self._send = raw.send if raw is not None and in_place else None
        self._stall_timeout = stall_timeout
        self._writer = trio.StrictFIFOLock()
        self._wait_for_turn = turn
        self._kept: bytes | memoryview = b""
        self._gone = False
        # What the library reads first, and what the client sent after it. The library
        # may see nothing of the latter before it has sent its 101.
        self._request = request
        self._early = early
        self._open: trio.Event | None = trio.Event()

    @property
    def in_place(self) -> bool:
        return self._send is not None

    @property
    def drained(self) -> bool:
        """Is nothing unsent, here or in the kernel?"""
        if self._raw is not None and unacknowledged(self._raw):
            return False
        return self.state is State.IDLE

    def send_nowait(self, frames: Frames, offset: int) -> int | None:
        """Send what the socket takes of the frames from `offset` on. A plain function.

        Returns None if it takes everything; otherwise the end of the last frame that is sent
        or begun, and the rest of that frame is kept. Never raises: a broken connection is closed.
        """
        send = self._send
        if self.state is not _IDLE or send is None:
            return offset
        data = frames.data
        try:
            sent = send(memoryview(data)[offset:] if offset else data)
        except BlockingIOError:
            self.state = State.OWING
            return offset
        except OSError as error:
            self.cut(f"broken: {error}")
            return offset
        sent += offset
        if sent == len(data):
            return None
        end = frames.frame_end(sent)
        self._kept = rest_of(data, sent, end)
        self.state = State.OWING
        return end

    def frame_nowait(self, frame: bytes) -> bool:
        """Send a single frame if the socket takes it. A plain function."""
        if self.state is not State.IDLE or self._send is None:
            return False
        try:
            sent = self._send(frame)
        except BlockingIOError:
            return False
        except OSError as error:
            self.cut(f"broken: {error}")
            return False
        if sent < len(frame):
            self._kept = frame[sent:]
            self.state = State.OWING
        return True

    async def frame(self, frame: bytes) -> None:
        """Send a single frame, under TLS; nothing happens if the connection is closed."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.send_all(frame)

    async def settle(self) -> None:
        """Send what is kept and, if the socket was full, wait until it takes more.

        Raises like `send_all`.
        """
        await self.send_all(b"")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes something; cut the connection if it stalls."""
        async with self._writer:
            await self._progress(self._stream.wait_send_all_might_not_block)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send what is kept, then `data`.

        Raises `trio.BrokenResourceError` or `trio.ClosedResourceError`. If this is
        cancelled or stalls inside a frame, the connection is cut.
        """
        async with self._writer:
            if self.state is State.CLOSED:
                raise trio.ClosedResourceError
            last_word = is_close(data)
            self.inbound.answer_pings &= not last_word
            was_full = self.state is State.OWING
            self.state = State.WRITING
            try:
                if was_full and not self._kept:
                    await self._progress(self._stream.wait_send_all_might_not_block)
                await send_slices(self._stream, self._kept, self._progress)
                self._kept = b""
                await send_slices(self._stream, data, self._progress)
            except BaseException as error:
                self.cut(f"broken: {error!r}")
                raise
            if self.state is State.WRITING:
                self.state = State.CLOSED if last_word else State.IDLE
        if self._open is not None and data:
            self._open.set()
            self._open = None

    async def _progress(self, step: Callable[[], Awaitable[T]]) -> T:
        """Await one step that ends when the socket has taken something."""
        with trio.move_on_after(self._stall_timeout):
            return await step()
        self.cut(f"stalled: took nothing for {self._stall_timeout:g} s")
        raise trio.BrokenResourceError(self.reason)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The request; then, once that is answered, the frames that the library has to see."""
        if self._request:
            await trio.lowlevel.checkpoint()
            request, self._request = self._request, b""
            return request
        if self._open is not None:
            await self._open.wait()
        while self.inbound.violation is None:
            data, self._early = self._early, b""
            if not data:
                data = await self._receive(max_bytes)
            if not data:
                await self._wait_for_turn()
                self.leave("closed without Close")
                return b""
            if wanted := self.inbound.receive_data(data):
                return wanted
        await self._refuse(self.inbound.violation)
        return b""

    async def _receive(self, max_bytes: int | None) -> bytes:
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError as error:
            reason = f"broken: {error.__cause__ or error}"
        await self._wait_for_turn()
        self.cut(reason)
        raise trio.BrokenResourceError(reason)

    async def _refuse(self, code: int) -> None:
        self.leave(f"the client broke the protocol: {code}")
        await self._say_close(code)
        await linger(self._stream)

    async def dismiss(self, code: int, reason: str) -> None:
        """Send Close, if the client takes it, and cut the connection."""
        self.leave(reason)
        await self._say_close(code)
        self.cut(reason)

    async def _say_close(self, code: int) -> None:
        with trio.move_on_after(LINGER_SECONDS):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.send_all(close_frame(code))

    def leave(self, reason: str) -> None:
        """Send this client no more frames; a plain function. The first reason counts."""
        if self.reason is None:
            self.reason = reason
            if self.on_close is not None:
                self.on_close()
                self.on_close = None  # no cycle is left for the collector

    def cut(self, reason: str) -> None:
        """Close at once, without a Close frame; a plain function.

        What the kernel still holds for the peer is dropped with the connection.
        """
        if self._gone:
            return
        self._gone = True
        self.state = State.CLOSED
        self._kept = b""
        self.leave(reason)
        if self._raw is not None:
            reset_on_close(self._raw)
        transport = getattr(self._stream, "transport_stream", self._stream)
        if isinstance(transport, trio.SocketStream):
            transport.socket.close()

    async def aclose(self) -> None:
        """Close in an orderly way: what the kernel holds is still delivered."""
        if not self._gone:
            self._gone = True
            self.state = State.CLOSED
            code = self.inbound.close_code
            self.leave("closed" if code is None else f"closed by the client: {code}")
        # Under TLS, a peer that does not read could block the last record.
        with trio.move_on_after(LINGER_SECONDS):
            await self._stream.aclose()
