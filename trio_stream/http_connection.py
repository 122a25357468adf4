"""One connection of the HTTP door: plain requests are answered here, hypercorn has the others.

Hypercorn's own connection is taken as it is, less what costs a task or a system call a request,
on a transport on which no wait to write lasts.

What a peer owes has a deadline for the whole of it: the next request, its head once that has
begun, its body. Only the time in which we wait for the peer counts. Bodies are taken from the
socket, and answers given to it, when there is room for them (`http_room`).
"""

from __future__ import annotations

import enum
import logging
import math
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

import h11
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer

from trio_stream import http_answers, http_plain
from trio_stream.http_answers import Answer
from trio_stream.http_arrays import Streamed
from trio_stream.http_places import LATE, NO_ROOM, Guest, Refusal
from trio_stream.http_plain import PHRASES, Direct, Plain
from trio_stream.http_protocol import HttpProtocol, HttpReader
from trio_stream.log_file import ends_process
from trio_stream.sockets import linger

logger = logging.getLogger(__name__)

# What is taken from a socket at once; of a body at first no more than this.
_RECEIVE = 64 * 1024
_RECEIVE_FIRST = 4 * 1024
# What is written through hypercorn is held by the route and by h11.
_COPIES = 2
# Nothing that follows is a request.
_NO_MORE = (h11.MUST_CLOSE, h11.CLOSED)
_READ = (h11.DONE, *_NO_MORE)
# Seconds to say why a connection ends.
_LAST_WORDS = 2.0

# The head is sent by itself, so no body is taken for one.
_STATUS_LINE = re.compile(rb"(HTTP/1\.1 ([0-9]{3}) )\r\n")


class Limits(Protocol):
    """What is asked of the door's limits."""

    @property
    def head_timeout(self) -> float: ...
    @property
    def keep_alive(self) -> float: ...
    @property
    def body_timeout(self) -> float: ...
    @property
    def body_rate(self) -> int: ...
    @property
    def max_body_bytes(self) -> int: ...


class Owed(enum.Enum):
    """What a peer has to send."""

    REQUEST = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


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
        self,
        direct: Direct,
        limits: Limits,
        guest: Guest,
        on_idle: Callable[[], None],
    ) -> None:
        """What its constructor would do; `on_idle` is called at the end of each answer."""
        self._direct = direct
        self._limits = limits
        self._guest = guest
        self._on_idle = on_idle
        self.idle_task = _NoIdleTask()  # type: ignore[assignment]  # all it is asked
        self.is_idle = True
        self._head = b""
        self._has_begun = self._has_answered = False
        self._reading = trio.CancelScope()
        self._is_receiving = False
        self._owed = Owed.REQUEST
        # Seconds in which what is owed must come.
        self._left = limits.keep_alive
        # Of a body: what has come, and what more there is room for.
        self._body = self._credit = 0
        self._dropped = 0
        self._refusal: Refusal | None = None
        self._lingers = False

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

    def end(self, refusal: Refusal) -> bool:
        """Say why and end, if the peer still owes something; else False."""
        if not self._has_begun or self._has_answered or self._owed is Owed.NOTHING:
            return False
        self._refusal = refusal
        self.stop_reading()
        return True

    async def protocol_send(self, event: Event) -> None:
        if self._refusal is not None:
            # What is still said for the request is not its answer any more.
            self.stop_reading()
        elif isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            self._is_now(idle=event.idle)
        else:
            # A connection that is closed on unread bytes is reset, and the answer lost.
            self._lingers = self._is_unread()
            if not self._lingers:
                await self._close()
            await self.protocol.handle(Closed())
            self.stop_reading()

    def _is_now(self, *, idle: bool) -> None:
        self.is_idle = idle
        if not idle:
            self._guest.works()
        else:
            self._has_answered = False
            self._guest.give_back()
            self._owes(Owed.REQUEST, self._limits.keep_alive)
            self._on_idle()
            if self.context.terminated.is_set():
                self.stop_reading()

    async def _write(self, data: bytes) -> None:
        found = _STATUS_LINE.match(data)
        if found is not None:
            phrase = PHRASES.get(int(found[2]), b"")
            data = found[1] + phrase + data[found.end(1) :]
        # Who waits for an interim answer does not send what the final one needs.
        interim = found is not None and found[2].startswith(b"1")
        if found is not None and not interim:
            self._head = data
        elif self._head or data:
            head, self._head = self._head, b""
            count = _COPIES * len(data)
            if not await self._has_room_for(count):
                self._refusal = NO_ROOM
                self.stop_reading()
                return
            self._has_answered = not interim
            try:
                # Shielded as hypercorn's; the transport ends each wait.
                with trio.CancelScope(shield=True):
                    async with self.send_lock:
                        first = head + data[:_RECEIVE]
                        await self.stream.send_all(first)
                        if len(data) > _RECEIVE:
                            await self.stream.send_all(memoryview(data)[_RECEIVE:])
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.stop_reading()
            finally:
                self._guest.give_back(count)

    async def _has_room_for(self, count: int) -> bool:
        """A stream waits with its next piece; a whole answer would be held meanwhile."""
        if self._has_answered:
            return await self._guest.take(count)
        return self._guest.take_now(count)

    async def _read_data(self) -> None:
        made = self.protocol.protocol
        assert isinstance(made, H11Protocol)
        self.protocol.protocol = HttpProtocol(made, self._limits.max_body_bytes)
        self._has_begun = True
        with self._reading:
            try:
                while await self._read_some():
                    pass
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                pass
        await self._say_why_it_ends()
        if self._lingers and not self.context.terminated.is_set():
            await self._linger()
        await self.protocol.handle(Closed())

    async def _linger(self) -> None:
        """Read past what still comes of a request that has been answered already."""
        self.is_idle = True
        self._on_idle()
        self._guest.waits()
        with trio.CancelScope() as self._reading:
            await linger(self.stream, most=self._limits.body_timeout)

    async def _read_some(self) -> bool:
        """Handle what comes next; False if nothing does."""
        data = await self._receive()
        if data and self.is_idle and self._is_between():
            data = await self._answer_plain(data)
            if not data:
                return True
        elif data and self._reader.their_state in _NO_MORE:
            # The answer is under way, and nothing else is read on this connection (RFC 9112 §9.6).
            self._dropped += len(data)
            return self._dropped <= _RECEIVE
        await self.protocol.handle(RawData(data))
        self._look_what_is_owed(len(data))
        return bool(data)

    async def _receive(self) -> bytes:
        """What the peer sends next. Its time runs here and nowhere else."""
        size = await self._room_for_body() if self._owed is Owed.BODY else _RECEIVE
        self._reading.deadline = trio.current_time() + self._left
        self._is_receiving = True
        try:
            data = bytes(await self.stream.receive_some(size))
        finally:
            self._is_receiving = False
        self._left = self._reading.deadline - trio.current_time()
        self._reading.deadline = math.inf
        used = min(len(data), self._credit)
        self._credit -= used
        self._body += used
        return data

    async def _room_for_body(self) -> int:
        """How much of a body may be received; beyond the limit none of it is kept."""
        if not self._credit and self._body < self._limits.max_body_bytes:
            wanted = min(max(self._body, _RECEIVE_FIRST), _RECEIVE)
            if not await self._guest.take(wanted):
                self._refusal = NO_ROOM
                self.stop_reading()
                await trio.lowlevel.checkpoint()
            self._credit = wanted
        return self._credit or _RECEIVE

    def _owes(self, owed: Owed, seconds: float) -> None:
        """From now on the peer owes something else, within so many seconds."""
        self._owed = owed
        self._left = seconds
        self._body = self._credit = 0
        if self._is_receiving:
            self._reading.deadline = trio.current_time() + seconds
        if owed is Owed.NOTHING:
            self._guest.works()
        else:
            self._guest.waits()

    def _look_what_is_owed(self, received: int) -> None:
        if self.is_idle:
            if self._owed is not Owed.HEAD and not self._is_between():
                self._owes(Owed.HEAD, self._limits.head_timeout)
        elif self._reader.their_state not in (h11.IDLE, h11.SEND_BODY):
            # How long the answer takes is the routes'.
            if self._owed is not Owed.NOTHING:
                self._owes(Owed.NOTHING, math.inf)
        elif self._owed is Owed.BODY:
            self._left += received / self._limits.body_rate
        else:
            self._owes(Owed.BODY, self._limits.body_timeout)

    async def _say_why_it_ends(self) -> None:
        """Answer a request that did not come in time, or that there is no room for."""
        if self._refusal is None and trio.current_time() >= self._reading.deadline:
            self._refusal = LATE
        if self._refusal is None or self._has_answered or self._owed is Owed.REQUEST:
            return
        self._has_answered = True
        with trio.move_on_after(_LAST_WORDS):
            answer, headers = self._refusal.answer, self._refusal.headers
            said = http_plain.whole(answer, None, ("connection", "close"), *headers)
            await self.stream.send_all(said)
            await linger(self.stream)

    async def _answer_plain(self, data: bytes) -> bytes:
        """Answer the plain requests that `data` begins with; returns what is for hypercorn."""
        while data:
            taken = http_plain.take(data, self._limits.max_body_bytes)
            if isinstance(taken, int):
                # Under way, as at hypercorn: a stop waits for the rest.
                self.is_idle = False
                data = await self._complete(data, taken)
                continue
            answer = None if taken is None else self._direct(taken[0])
            if taken is None or answer is None:
                return data
            request, data = taken
            self.is_idle = False
            self._owes(Owed.NOTHING, math.inf)
            await self._send_answer(request, answer)
            self._is_now(idle=True)
        return data

    async def _complete(self, data: bytes, missing: int) -> bytes:
        """Receive what is missing of a body. Raises if the peer closes before."""
        self._owes(Owed.BODY, self._limits.body_timeout)
        pieces = [data]
        del data
        while missing > 0:
            more = await self._receive()
            if not more:
                raise trio.ClosedResourceError("closed within a body")
            # Small ones become one: as an object each would take many times its size.
            if len(pieces[-1]) < _RECEIVE_FIRST:
                pieces[-1] += more
            else:
                pieces.append(more)
            missing -= len(more)
            self._left += len(more) / self._limits.body_rate
        return b"".join(pieces)

    async def _send_answer(
        self, request: Plain, answer: Awaitable[Answer | Streamed]
    ) -> None:
        try:
            said = await answer
        except Exception as error:
            if ends_process(error):
                raise
            logger.exception("%s %s brought this about", request.method, request.path)
            said = http_answers.FAILED
        if isinstance(said, Answer):
            data = self._whole(said, request.origin)
            del said
            await self.stream.send_all(data)
            return
        head = http_plain.beginning(request.origin)
        async for piece in said:
            if head and not self._guest.take_now(len(piece)):
                await self.stream.send_all(self._whole(None, request.origin))
                return
            if not head and not await self._guest.take(len(piece)):
                raise trio.BrokenResourceError("there was no room for an answer")
            size, data = len(piece), head + http_plain.chunk(piece)
            del piece
            await self.stream.send_all(data)
            del data
            self._guest.give_back(size)
            head = b""
        await self.stream.send_all(http_plain.chunk(b""))

    def _whole(self, answer: Answer | None, origin: str | None) -> bytes:
        """An answer, or that there is no room for it."""
        if answer is not None and self._guest.take_now(len(answer.body)):
            return http_plain.whole(answer, origin)
        return http_plain.whole(NO_ROOM.answer, origin, *NO_ROOM.headers)

    @property
    def _reader(self) -> HttpReader:
        http = self.protocol.protocol
        assert isinstance(http, HttpProtocol)
        return http.reader

    def _is_unread(self) -> bool:
        """May there be more of a request than was read?"""
        reader = self._reader
        return reader.their_state not in _READ or bool(reader.trailing_data[0])

    def _is_between(self) -> bool:
        """Hypercorn has neither a request nor a part of one."""
        reader = self._reader
        return reader.their_state is h11.IDLE and not reader.trailing_data[0]
