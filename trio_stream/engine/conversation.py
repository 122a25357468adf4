"""One connection at the ABCI door: reads requests, has the state machine answer them, and replies.

While a batch is being answered its connection is not read: what an engine sends ahead waits in the
socket, so a connection holds at most one receive and one message. An incomplete message must keep
arriving, and all of them together are bounded (`places`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

import trio

from trio_stream.abci.connection import AbciConnection, RemoteProtocolError, is_much
from trio_stream.abci.messages import Answer, Failure, Request
from trio_stream.abci.routine import Priority, split_into_hops
from trio_stream.engine.places import AbciGuest, AbciPlaces
from trio_stream.engine.report import Report
from trio_stream.engine.state_machine import AbciApplication, RunSync, StateMachine

T = TypeVar("T")

RECEIVE_BYTES = 128 * 1024
"""How many bytes are read, and so answered, at once."""
SEND_SLICE_BYTES = 1024 * 1024
STALL_SECONDS = 60.0
"""An engine that accepts no slice of an answer for so long is disconnected. Engines read in a
goroutine that does nothing else, so only one that is stopped or has gone does not read."""
MESSAGE_SECONDS = 120.0
"""For one message to arrive, plus a second for each `MESSAGE_RATE` bytes that have arrived. On
loopback an engine sends its largest block in a second."""
MESSAGE_RATE = 16 * 1024
FAREWELL_SECONDS = 1.0
"""For the engine to read the Failure that ends its connection. Closing at once, with requests of it
unread, would reset the connection and could destroy the Failure."""


_DRIVING = (Priority.CONSENSUS, Priority.RESTORING)


@dataclass(frozen=True, slots=True)
class Desk:
    """What all conversations share."""

    application: AbciApplication
    machine: StateMachine
    run_sync: RunSync
    places: AbciPlaces
    report: Report
    # For decoding and encoding large messages; an engine has one block at a time.
    limiter: trio.CapacityLimiter = field(
        default_factory=lambda: trio.CapacityLimiter(1)
    )


class Conversation:
    """A connection of an engine, until it ends."""

    def __init__(self, desk: Desk, stream: trio.abc.Stream, guest: AbciGuest) -> None:
        self._desk = desk
        self._stream = stream
        self._guest = guest
        self._connection = guest.connection
        self._receiving: trio.CancelScope | None = None
        self._leave_at: float | None = None
        self._message_since = math.inf
        """When the incomplete message began to arrive."""

    @property
    def closes_last(self) -> bool:
        """Whether closing this one is left to the engine when we stop."""
        return self._connection.closes_last

    def leave_at(self, time: float) -> None:
        """Finish the current batch and receive no other: at once, or from `time` on."""
        self._leave_at = time
        if self._receiving is not None:
            self._limit(self._receiving, time)

    async def run(self) -> str:
        """Answer until the connection ends; returns the reason."""
        desk, guest = self._desk, self._guest
        try:
            return await self._converse()
        except RemoteProtocolError as exc:
            desk.report.broke(guest, exc)
            return "the engine broke the protocol"
        except trio.BrokenResourceError as exc:
            desk.report.closed_by_peer(guest, desk.application.height)
            return f"the connection broke: {exc.__cause__ or exc}"
        except trio.TooSlowError:
            return f"the engine read nothing for {STALL_SECONDS:g} s"

    async def _converse(self) -> str:
        connection = self._connection
        while True:
            requests = await self._aside(connection.next_requests, connection.has_much)
            if requests:
                failure = await self._serve_batch(requests)
                if failure is not None:
                    await _bid_farewell(self._stream)
                    return "answered with an exception"
                self._hold(connection.unfinished)
                continue
            data = await self._receive()
            if data is None:
                return "the daemon is stopping"
            self._hold(self._guest.held + len(data))
            connection.receive_data(data)
            if not data:
                connection.next_requests()
                self._desk.report.closed_by_peer(
                    self._guest, self._desk.application.height
                )
                return "closed by the engine"

    def _hold(self, count: int) -> None:
        for gone in self._desk.places.holds(self._guest, count):
            self._desk.report.takes_too_much(gone)

    async def _serve_batch(self, requests: Sequence[Request]) -> Failure | None:
        """Answer the requests of one receive; returns the Failure if they end with one."""
        self._message_since = math.inf
        self._desk.report.asks(self._guest, requests)
        if self._guest.is_greeting:
            # An engine that starts: a Commit whose answer it did not get must be counted.
            await self._desk.machine.settled()
        answers, failure = await self._answer(requests)
        if delay := self._connection.delay_before_answers(requests):
            await trio.sleep(delay)
        await _send(self._stream, answers)
        if failure is not None:
            self._desk.report.failed(self._guest, failure)
        return failure

    async def _receive(self) -> bytes | bytearray | None:
        """What the engine sends next, however long it takes to begin; None if we stop.

        Raises RemoteProtocolError if a message that has begun does not keep arriving.
        """
        unfinished = self._connection.unfinished
        with trio.CancelScope() as scope:
            if unfinished:
                self._message_since = min(self._message_since, trio.current_time())
                patience = MESSAGE_SECONDS + unfinished / MESSAGE_RATE
                scope.deadline = self._message_since + patience
            if self._leave_at is not None:
                self._limit(scope, self._leave_at)
            self._receiving = scope
            try:
                return await self._stream.receive_some(RECEIVE_BYTES)
            finally:
                self._receiving = None
        if self._leave_at is None:
            raise RemoteProtocolError(
                f"only {unfinished} bytes of a message arrived within {patience:.0f} s"
            )
        return None

    def _limit(self, scope: trio.CancelScope, leave_at: float) -> None:
        if self.closes_last and leave_at > trio.current_time():
            scope.deadline = min(scope.deadline, leave_at)
        else:
            scope.cancel()

    async def _aside(self, work: Callable[[], list[T]], is_much: bool) -> list[T]:
        """What `work` returns; it runs in a thread if it is much."""
        if not is_much:
            return work()
        made = await self._desk.run_sync(work, limiter=self._desk.limiter)
        return cast(list[T], made)

    async def _answer(
        self, requests: Sequence[Request]
    ) -> tuple[bytes, Failure | None]:
        """The encoded answers to `requests`, and the Failure if they end with one.

        Answers that are not kept together because of their size are sent already.
        """
        written: list[bytes] = []
        for hop in split_into_hops(requests):
            if hop.priority in _DRIVING:
                self._desk.report.works()
            answers = await self._desk.machine.answer(hop, owner=self._guest.number)
            # Shorter than the requests after a Failure, and then it is the last.
            pairs = zip(hop.requests, answers, strict=False)
            written += await self._aside(
                partial(_written, self._connection, pairs), is_much(hop.requests)
            )
            if answers and isinstance(answers[-1], Failure):
                return b"".join(written), answers[-1]
            if hop.priority in _DRIVING:
                self._desk.places.drives(self._guest)
            elif hop.priority is Priority.SERVING:
                # A chunk has megabytes, and many may be asked for at once.
                await _send(self._stream, b"".join(written))
                written.clear()
        return b"".join(written), None


def _written(
    connection: AbciConnection, pairs: Iterable[tuple[Request, Answer]]
) -> list[bytes]:
    return [connection.send(request, answer) for request, answer in pairs]


async def _send(stream: trio.abc.Stream, data: bytes) -> None:
    """Send a batch of answers; raises TooSlowError if the engine does not read."""
    view = memoryview(data)
    for start in range(0, len(data), SEND_SLICE_BYTES):
        with trio.fail_after(STALL_SECONDS):
            await stream.send_all(view[start : start + SEND_SLICE_BYTES])


async def _bid_farewell(stream: trio.abc.Stream) -> None:
    """Give the engine time to read the last answer and to close the connection."""
    if not isinstance(stream, trio.abc.HalfCloseableStream):
        return
    with trio.move_on_after(FAREWELL_SECONDS), suppress(trio.BrokenResourceError):
        await stream.send_eof()
        while await stream.receive_some(RECEIVE_BYTES):
            pass
