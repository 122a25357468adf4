"""One connection of the HTTP door: plain requests are answered here, hypercorn has the others.

Hypercorn's own connection is taken as it is, less what costs a task or a system call a request,
on a transport on which no wait to write lasts. `http_patience` says how long it is read from,
and answers are given to it when there is room for them (`http_room`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState

from trio_stream.http import front, plain
from trio_stream.http.patience import RECEIVE, Owed, PatienceLimits, Peer
from trio_stream.http.places import NO_ROOM, HttpGuest, TurnedAway
from trio_stream.http.plain import PHRASES, Direct
from trio_stream.http.protocol import HttpProtocol, HttpReader
from trio_stream.net.sockets import linger

# What is written through hypercorn is held by the route and by h11.
_COPIES = 2
# Nothing that follows is a request.
_NO_MORE = (h11.MUST_CLOSE, h11.CLOSED)
_READ = (h11.DONE, *_NO_MORE)
# Seconds to say why a connection ends.
_LAST_WORDS = 2.0

# The head is sent by itself, so no body is taken for one.
_STATUS_LINE = re.compile(rb"(HTTP/1\.1 ([0-9]{3}) )\r\n")


class _NoIdleTask:
    """In place of a task for each pause between two requests: a deadline does it."""

    async def restart(self, *_: object) -> None:
        pass

    async def stop(self) -> None:
        pass


class HttpConnection(TCPServer):
    """Hypercorn's, with fewer steps a request and the reason phrases that it leaves out.

    The head of an answer goes out together with the first bytes of its body, so an
    answer that streams should begin at once. BigchainDB's phrases are in capitals, and
    its JavaScript driver shows them to applications.
    """

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        stream: trio.abc.Stream,
        *,
        direct: Direct,
        limits: PatienceLimits,
        guest: HttpGuest,
        on_idle: Callable[[], None],
    ) -> None:
        """`on_idle` is called at the end of each answer."""
        state = ConnectionState({})
        # It takes a plain stream too, which its annotation does not say (0.18).
        super().__init__(app, config, context, state, stream)  # type: ignore[arg-type]
        self._direct = direct
        self._limits = limits
        self._guest = guest
        self._on_idle = on_idle
        self._peer = Peer(stream, limits, guest)
        self.idle_task = _NoIdleTask()  # type: ignore[assignment]  # all it is asked
        self.is_idle = True
        self._head = b""
        self._has_begun = self._has_answered = False
        self._dropped = 0
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
        self._peer.stop()

    def end(self, refusal: TurnedAway) -> bool:
        """Say why and end, if the peer still owes something; else False."""
        if not self._has_begun or self._has_answered:
            return False
        if self._peer.owed is Owed.NOTHING:
            return False
        self._peer.stop(refusal)
        return True

    async def protocol_send(self, event: Event) -> None:
        if self._peer.refusal is not None:
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
            self._peer.owes(Owed.REQUEST)
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
                self._peer.stop(NO_ROOM)
                return
            self._has_answered = not interim
            try:
                # Shielded as hypercorn's; the transport ends each wait.
                with trio.CancelScope(shield=True):
                    async with self.send_lock:
                        first = head + data[:RECEIVE]
                        await self.stream.send_all(first)
                        if len(data) > RECEIVE:
                            await self.stream.send_all(memoryview(data)[RECEIVE:])
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
        with self._peer.listening:
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
        with trio.CancelScope() as self._peer.listening:
            await linger(self.stream, most=self._limits.body_timeout)

    async def _read_some(self) -> bool:
        """Handle what comes next; False if nothing does."""
        data = await self._peer.receive()
        if data and self.is_idle and self._is_between():
            data = await self._answer_plain(data)
            if not data:
                return True
        elif data and self._reader.their_state in _NO_MORE:
            # The answer is under way, and nothing else is read on this connection (RFC 9112 §9.6).
            self._dropped += len(data)
            return self._dropped <= RECEIVE
        await self.protocol.handle(RawData(data))
        self._look_what_is_owed()
        return bool(data)

    def _look_what_is_owed(self) -> None:
        owed = self._peer.owed
        if self.is_idle:
            if owed is not Owed.HEAD and not self._is_between():
                self._peer.owes(Owed.HEAD)
        elif self._reader.their_state not in (h11.IDLE, h11.SEND_BODY):
            # How long the answer takes is the routes'.
            if owed is not Owed.NOTHING:
                self._peer.owes(Owed.NOTHING)
        elif owed is not Owed.BODY:
            self._peer.owes(Owed.BODY)

    async def _say_why_it_ends(self) -> None:
        """Answer a request that did not come in time, or that there is no room for."""
        self._peer.look_whether_late()
        refusal = self._peer.refusal
        if refusal is None or self._has_answered or self._peer.owed is Owed.REQUEST:
            return
        self._has_answered = True
        with trio.move_on_after(_LAST_WORDS):
            await front.refuse(self.stream, refusal)

    async def _answer_plain(self, data: bytes) -> bytes:
        """Answer the plain requests that `data` begins with; returns what is for hypercorn."""
        while data:
            taken = plain.take(data, self._limits.max_body_bytes)
            if isinstance(taken, int):
                # Under way, as at hypercorn: a stop waits for the rest.
                self.is_idle = False
                data = await self._peer.complete(data, taken)
                continue
            answer = None if taken is None else self._direct(taken[0])
            if taken is None or answer is None:
                return data
            request, data = taken
            self.is_idle = False
            self._peer.owes(Owed.NOTHING)
            await front.answer(self.stream, self._guest, request, answer)
            self._is_now(idle=True)
        return data

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
