"""One connection of the HTTP server: plain requests are answered here, the others by hypercorn.

This is hypercorn's own connection, without the parts that cost a task or a system call for each
request, on a transport on which every wait to write ends. `http.patience` limits how long it is
read from, and answers are written once there is room for them (`net.room`).
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
from trio_stream.http.permits import PeerPermits
from trio_stream.http.places import NO_ROOM, HttpGuest, TurnedAway
from trio_stream.http.plain import PHRASES, Direct
from trio_stream.http.protocol import HttpProtocol, HttpReader
from trio_stream.net.request_reader import Head
from trio_stream.net.sockets import linger

# An answer written through hypercorn is held twice, by the route and by h11.
_COPIES = 2
# States after which nothing that follows is a request.
_NO_MORE = (h11.MUST_CLOSE, h11.CLOSED)
_READ = (h11.DONE, *_NO_MORE)
# Seconds for saying why a connection ends.
_LAST_WORDS = 2.0

# Hypercorn sends the head by itself, so a body can't be mistaken for one.
_STATUS_LINE = re.compile(rb"(HTTP/1\.1 ([0-9]{3}) )\r\n")


class _NoIdleTask:
    """Replaces hypercorn's task for each pause between two requests; a deadline does the same."""

    async def restart(self, *_: object) -> None:
        pass


class HttpConnection(TCPServer):
    """Hypercorn's connection, with fewer steps per request and with reason phrases.

    The head of an answer is sent together with the first bytes of its body, so a streaming answer
    should begin at once. BigchainDB's phrases are in capitals, and its JavaScript driver shows
    them to applications.
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
        upgrades: tuple[bytes, ...] = (),
        permits: PeerPermits | None = None,
    ) -> None:
        """`on_idle` is called at the end of each answer.

        A request for a WebSocket whose target begins like one of `upgrades` ends `run`.
        """
        state = ConnectionState({})
        # A plain stream works too, although the annotation does not say so (0.18).
        super().__init__(app, config, context, state, stream)  # type: ignore[arg-type]
        self._direct = direct
        self._limits = limits
        self._guest = guest
        self._on_idle = on_idle
        self._upgrades = upgrades
        self._permits = permits
        self.upgrade: Head | None = None
        """A request for a WebSocket, once `run` has returned; somebody else answers it."""
        self._peer = Peer(stream, limits, guest)
        self.idle_task = _NoIdleTask()  # type: ignore[assignment]  # has what is called
        self.is_idle = True
        self._head = b""
        self._has_begun = self._has_answered = False
        self._dropped = 0
        self._lingers = False

    def let_go(self) -> None:
        """Free hypercorn's protocol after the end: it and the connection hold each other."""
        if hasattr(self, "protocol"):
            del self.protocol

    def stop_reading(self) -> None:
        """Close the connection as if its peer had closed it.

        Otherwise a reader with a pipelined request would wait for the answer before it to end,
        which hypercorn does not report once either end has closed (0.18).
        """
        self._peer.stop()

    def end(self, refusal: TurnedAway) -> bool:
        """Say why and end, if the peer still owes something; False if it does not."""
        if not self._has_begun or self._has_answered:
            return False
        if self._peer.owed is Owed.NOTHING:
            return False
        self._peer.stop(refusal)
        return True

    async def protocol_send(self, event: Event) -> None:
        if self._peer.refusal is not None:
            # The request gets the refusal, so what the application still sends is dropped.
            self.stop_reading()
        elif isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            self._is_now(idle=event.idle)
        elif self._reader.upgrade is not None:
            self.upgrade = self._reader.upgrade
        else:
            # Closing a connection with unread bytes resets it, and the answer would be lost.
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
            self._guest.answered()
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
        # A peer that waits for an interim answer has not sent the whole request yet.
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
                # Shielded like hypercorn's; the transport ends every wait.
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
        """Take room for a piece; only streams wait for it, since a whole answer would be held."""
        if self._has_answered:
            return await self._guest.take(count)
        return self._guest.take_now(count)

    async def _read_data(self) -> None:
        made = self.protocol.protocol
        assert isinstance(made, H11Protocol)
        self.protocol.protocol = HttpProtocol(
            made,
            max_body_bytes=self._limits.max_body_bytes,
            upgrades=self._upgrades,
            permits=self._permits,
        )
        self._has_begun = True
        with self._peer.listening:
            try:
                while await self._read_some():
                    pass
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                pass
        if self.upgrade is None:
            await self._say_why_it_ends()
        if self._lingers and not self.context.terminated.is_set():
            await self._linger()
        await self.protocol.handle(Closed())

    async def _close(self) -> None:
        if self.upgrade is None:
            await super()._close()

    async def _linger(self) -> None:
        """Drain what still arrives of a request that has already been answered."""
        self.is_idle = True
        self._on_idle()
        self._guest.waits()
        with trio.CancelScope() as self._peer.listening:
            await linger(self.stream, most=self._limits.body_timeout)

    async def _read_some(self) -> bool:
        """Handle what arrives next; False if nothing more does."""
        data = await self._peer.receive()
        if data and self.is_idle and self._is_between():
            data = await self._answer_plain(data)
            if not data:
                return True
        elif data and self._reader.their_state in _NO_MORE:
            # The last answer is on its way, and no further request counts (RFC 9112 §9.6).
            self._dropped += len(data)
            return self._dropped <= RECEIVE
        await self.protocol.handle(RawData(data))
        self._note_what_is_owed()
        return bool(data) and self.upgrade is None

    def _note_what_is_owed(self) -> None:
        owed = self._peer.owed
        if self.is_idle:
            if owed is not Owed.HEAD and not self._is_between():
                self._peer.owes(Owed.HEAD)
        elif self._reader.their_state not in (h11.IDLE, h11.SEND_BODY):
            # The request is complete; how long its answer takes is up to the routes.
            if owed is not Owed.NOTHING:
                self._peer.owes(Owed.NOTHING)
        elif owed is not Owed.BODY:
            self._peer.owes(Owed.BODY)

    async def _say_why_it_ends(self) -> None:
        """Answer a request that did not arrive in time, or for which there is no room."""
        self._peer.note_if_late()
        refusal = self._peer.refusal
        if refusal is None or self._has_answered or self._peer.owed is Owed.REQUEST:
            return
        self._has_answered = True
        with trio.move_on_after(_LAST_WORDS):
            await front.refuse(self.stream, refusal)

    async def _answer_plain(self, data: bytes) -> bytes:
        """Answer the plain requests at the beginning of `data`; returns the rest, for hypercorn."""
        to_judge = self._permits
        while data:
            taken = plain.take(data, self._limits.max_body_bytes)
            if taken is None:
                return data
            request, rest = taken
            refused = None
            if to_judge is not None:
                refused = to_judge.judge(request.method, request.path, request.fields)
                to_judge = None
            if isinstance(rest, int):
                # In progress, as it would be in hypercorn: a stop waits for the rest.
                self.is_idle = False
                if refused is not None:
                    # The body is not wanted, so the connection has to end.
                    self._peer.stop(TurnedAway(refused))
                data = await self._peer.complete(data, rest)
                continue
            answer = self._direct(request) if refused is None else front.ready(refused)
            if answer is None:
                self._reader.is_judged = self._permits is not None
                return data
            data, to_judge = rest, self._permits
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
        """Whether there may be more of a request than was read."""
        reader = self._reader
        return reader.their_state not in _READ or bool(reader.trailing_data[0])

    def _is_between(self) -> bool:
        """Whether hypercorn has neither a request nor a part of one."""
        reader = self._reader
        return reader.their_state is h11.IDLE and not reader.trailing_data[0]
