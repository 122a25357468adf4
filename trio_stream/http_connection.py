"""One connection of the HTTP door: plain requests are answered here, hypercorn has the others.

Hypercorn's own connection is taken as it is, less what costs a task or a system call a request,
on a transport on which no wait to write lasts.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable

import h11
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import TCPServer

from trio_stream import http_answers, http_plain
from trio_stream.http_answers import Answer
from trio_stream.http_arrays import Streamed
from trio_stream.http_plain import PHRASES, Direct, Plain

logger = logging.getLogger(__name__)

# Seconds without a byte of a request that has begun, and between two requests.
READ_TIMEOUT = 30.0
KEEP_ALIVE = 75.0
# What is offered to a socket at once, and taken from one.
_SLICE = 64 * 1024
_RECEIVE = 64 * 1024

# The head is sent by itself, so no body is taken for one.
_STATUS_LINE = re.compile(rb"(HTTP/1\.1 ([0-9]{3}) )\r\n")


class _NoIdleTask:
    """In place of a task for each pause between two requests: a deadline does it."""

    async def restart(self, *_: object) -> None:
        pass

    async def stop(self) -> None:
        pass


class Connection(TCPServer):
    """Hypercorn's, with fewer steps a request and the reason phrases that it leaves out.

    The head of an answer goes out together with the first bytes of its body, so an
    answer that streams should begin at once. BigchainDB's phrases are in capitals, and
    its JavaScript driver shows them to applications.
    """

    def prepare(
        self, direct: Direct, max_body_bytes: int, on_idle: Callable[[], None]
    ) -> None:
        """What its constructor would do; `on_idle` is called at the end of each answer."""
        self._direct = direct
        self._max_body_bytes = max_body_bytes
        self._on_idle = on_idle
        self.idle_task = _NoIdleTask()  # type: ignore[assignment]  # all it is asked
        self.is_idle = True
        self._head = b""
        self._reading = trio.CancelScope()

    def let_go(self) -> None:
        """After the end: hypercorn's protocol and the connection hold each other."""
        if hasattr(self, "protocol"):
            del self.protocol

    def stop_reading(self) -> None:
        """Close the connection as if its peer had.

        Whichever end closes, a reader with a pipelined request in hand would wait for the
        answer before it, of whose end hypercorn does not tell it then (0.18).
        """
        self._reading.cancel()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            self._is_now(idle=event.idle)
        else:
            await super().protocol_send(event)
            self.stop_reading()

    def _is_now(self, *, idle: bool) -> None:
        self.is_idle = idle
        if idle:
            self._on_idle()
            self._reading.deadline = trio.current_time() + KEEP_ALIVE
            if self.context.terminated.is_set():
                self.stop_reading()

    async def _write(self, data: bytes) -> None:
        found = _STATUS_LINE.match(data)
        if found is not None:
            phrase = PHRASES.get(int(found[2]), b"")
            self._head = found[1] + phrase + data[found.end(1) :]
        elif self._head or data:
            data, self._head = self._head + data, b""
            try:
                # Shielded as hypercorn's; the transport ends each wait.
                with trio.CancelScope(shield=True):
                    async with self.send_lock:
                        await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.stop_reading()

    async def _read_data(self) -> None:
        self._reading.deadline = trio.current_time() + KEEP_ALIVE
        with self._reading:
            while True:
                try:
                    data = await self.stream.receive_some(_RECEIVE)
                except (trio.ClosedResourceError, trio.BrokenResourceError):
                    break
                self._reading.deadline = trio.current_time() + READ_TIMEOUT
                data = bytes(data)
                if data and self.is_idle and self._is_between():
                    try:
                        data = await self._answer_plain(data)
                    except (trio.ClosedResourceError, trio.BrokenResourceError):
                        break
                    if not data:
                        continue
                await self.protocol.handle(RawData(data))
                if not data:
                    break
                if not self.is_idle and self._is_read():
                    # The peer owes nothing; how long the answer takes is the routes'.
                    self._reading.deadline = math.inf
        await self.protocol.handle(Closed())

    async def _answer_plain(self, data: bytes) -> bytes:
        """Answer the plain requests that `data` begins with; returns what is for hypercorn."""
        while data:
            taken = http_plain.take(data, self._max_body_bytes)
            if isinstance(taken, int):
                # Under way, as at hypercorn: a stop waits for the rest.
                self.is_idle = False
                data, missing = await self._complete(data, taken)
                if missing:
                    return data
                continue
            answer = None if taken is None else self._direct(taken[0])
            if taken is None or answer is None:
                return data
            request, data = taken
            self.is_idle = False
            self._reading.deadline = math.inf
            await self._send_answer(request, answer)
            self._is_now(idle=True)
        return data

    async def _complete(self, data: bytes, missing: int) -> tuple[bytes, bool]:
        """Receive what is missing of a body; whether the peer closed before."""
        pieces = [data]
        while missing > 0:
            self._reading.deadline = trio.current_time() + READ_TIMEOUT
            more = await self.stream.receive_some(_RECEIVE)
            if not more:
                break
            pieces.append(bytes(more))
            missing -= len(more)
        return b"".join(pieces), missing > 0

    async def _send_answer(
        self, request: Plain, answer: Awaitable[Answer | Streamed]
    ) -> None:
        try:
            said = await answer
        except Exception:
            logger.exception("%s %s brought this about", request.method, request.path)
            said = http_answers.FAILED
        if isinstance(said, Answer):
            await self.stream.send_all(http_plain.whole(said, request.origin))
            return
        head = http_plain.beginning(request.origin)
        async for piece in said:
            await self.stream.send_all(head + http_plain.chunk(piece))
            head = b""
        await self.stream.send_all(http_plain.chunk(b""))

    def _is_read(self) -> bool:
        return getattr(self._http(), "their_state", None) is h11.DONE

    def _is_between(self) -> bool:
        """Hypercorn has neither a request nor a part of one."""
        http = self._http()
        return (
            isinstance(http, h11.Connection)
            and http.their_state is h11.IDLE
            and not http.trailing_data[0]
        )

    def _http(self) -> object:
        return getattr(self.protocol.protocol, "connection", None)


class Transport(trio.abc.HalfCloseableStream):
    """A socket on which no wait to write lasts, shielded or not.

    Bytes go out in slices; one that is not accepted in time, or a `cut`, breaks the
    stream, which is what hypercorn takes for a peer that has gone.
    """

    def __init__(self, stream: trio.SocketStream, stall_timeout: float) -> None:
        self._stream = stream
        self._stall_timeout = stall_timeout
        self._writing = trio.CancelScope()
        self._cut = False
        # Hypercorn asks it for the addresses of both ends.
        self.socket = stream.socket

    def cut(self) -> None:
        """Break it now, whoever waits."""
        self._cut = True
        self._writing.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            with trio.move_on_after(self._stall_timeout) as self._writing:
                if self._cut:
                    self._writing.cancel()
                await self._stream.send_all(view[start : start + _SLICE])
            if self._writing.cancelled_caught:
                raise trio.BrokenResourceError("nothing was accepted in time")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
