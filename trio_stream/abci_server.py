"""The ABCI door: where the consensus node drives the state machine.

A node opens three or four connections and tells on none of them what it is for. Each
gets a task that reads, lets `abci.connection` make requests of the bytes, has the state
machine answer them, and writes what answers one receive in one write, in order. While
a batch is being answered its connection is not read: what a node sends ahead waits in
the socket, so a connection holds one receive and one message at most.

A node that breaks the protocol, or that does not read its answers, loses its connection
and nothing else. What the application raises goes up and ends the daemon. When all places are
taken, a connection that looks least like a node's gives way (`abci_places`).

This door knows nothing of transactions: what it drives answers requests.
"""

from __future__ import annotations

import itertools
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar, cast

import trio

from trio_stream.abci.connection import Connection, RemoteProtocolError, is_much
from trio_stream.abci.messages import Answer, Failure, Request
from trio_stream.abci.routine import Priority, split_into_hops
from trio_stream.abci_places import Guest, who_gives_way
from trio_stream.abci_report import Report
from trio_stream.state_machine import Application, RunSync, StateMachine

T = TypeVar("T")

logger = logging.getLogger(__name__)

RECEIVE_BYTES = 128 * 1024
"""Most that is read, and so answered, at once."""
SEND_SLICE_BYTES = 1024 * 1024
STALL_SECONDS = 60.0
"""A node that takes no slice of an answer for so long is cut. It reads in a goroutine
that does nothing else, so only one that is stopped, or gone, does not read."""
FAREWELL_SECONDS = 1.0
"""For the node to read the Failure that ends its connection. Closing at once, with
requests of it unread, would reset the connection and could take the Failure along."""
LINGER_SECONDS = 2.0
"""For the node to close its connections when we stop; a living one takes some
milliseconds. See `Connection.closes_last`."""
MAX_CONNECTIONS = 64
"""A node has four, and a restarted one four more while the old ones linger. More than
that many times over is no node, and each may hold a message up to the frame limit."""


async def serve(
    application: Application,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    on_commit: Callable[[int], None],
    frame_limit: int,
    shutdown_timeout: float,
    stop: trio.Event,
    run_sync: RunSync = trio.to_thread.run_sync,
    task_status: trio.TaskStatus[
        Sequence[trio.abc.Listener[trio.abc.Stream]]
    ] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer every node that connects until `stop` is set; closes the listeners.

    `on_commit(height)` is called whenever the application's height moved, before the
    answer that says so is written, even if this is being cancelled. After `stop` the
    batches in hand are answered, and what a node needs in order to end, for at most
    `shutdown_timeout` seconds. Raises what the application raises.
    """
    machine = StateMachine(application, on_commit=on_commit, run_sync=run_sync)
    door = _Door(application, machine, run_sync, frame_limit=frame_limit)
    async with trio.open_nursery() as nodes:
        async with trio.open_nursery() as doors:
            accept = partial(
                trio.serve_listeners,
                door.handle,
                listeners,  # type: ignore[arg-type]  # partial hides the type variable
                handler_nursery=nodes,
            )
            await doors.start(accept)
            task_status.started(listeners)
            await stop.wait()
            doors.cancel_scope.cancel()
        nodes.cancel_scope.deadline = trio.current_time() + shutdown_timeout
        door.stop_receiving(min(LINGER_SECONDS, shutdown_timeout / 2))
    if nodes.cancel_scope.cancelled_caught:
        logger.warning("abci connections were cut after %g s", shutdown_timeout)


class _Door:
    """The tasks of all connections, and what they share."""

    def __init__(
        self,
        application: Application,
        machine: StateMachine,
        run_sync: RunSync,
        *,
        frame_limit: int,
    ) -> None:
        self._run_sync = run_sync
        # For reading and writing large messages; a node has one block at a time.
        self._limiter = trio.CapacityLimiter(1)
        self._application = application
        self._machine = machine
        self._frame_limit = frame_limit
        self._numbers = itertools.count(1)
        self._open: dict[int, Guest] = {}
        self._report = Report()
        self._receiving: dict[trio.CancelScope, Connection] = {}
        self._leave_at: float | None = None

    def stop_receiving(self, linger: float) -> None:
        """Let each connection finish the batch in its hands, and read no other.

        Connections that close last are read on, until the node has closed them, for at
        most `linger` seconds; without another one that tells it to, it would not.
        """
        if all(guest.connection.closes_last for guest in self._open.values()):
            linger = 0
        self._leave_at = trio.current_time() + linger
        for scope, connection in self._receiving.items():
            self._limit(scope, connection, self._leave_at)

    def _limit(
        self, scope: trio.CancelScope, connection: Connection, leave_at: float
    ) -> None:
        if connection.closes_last and leave_at > trio.current_time():
            scope.deadline = leave_at
        else:
            scope.cancel()

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection until it ends, for whatever reason."""
        number = next(self._numbers)
        self._report.came(number, _peer(stream))
        if not self._has_place(number):
            return
        connection = Connection(frame_limit=self._frame_limit)
        guest = Guest(number, _host(stream), connection)
        reason = "cancelled"
        self._open[number] = guest
        _keep_alive(stream)
        try:
            # Who calls this closes the stream.
            with guest.scope:
                reason = await self._converse(stream, guest)
            if guest.scope.cancelled_caught:
                reason = "silent, it gave its place to another"
        finally:
            self._open.pop(number, None)
            self._machine.disown(number)
            self._report.left(guest, reason)

    def _has_place(self, number: int) -> bool:
        """Whether there is a place for one more, once another has given way."""
        if len(self._open) < MAX_CONNECTIONS:
            return True
        leaving = who_gives_way(self._open.values())
        if leaving is None:
            self._report.refused(number, len(self._open))
            return False
        self._report.gives_way(leaving, len(self._open))
        del self._open[leaving.number]
        leaving.scope.cancel()
        return True

    async def _converse(self, stream: trio.abc.Stream, guest: Guest) -> str:
        """Answer until the connection can't go on; gives the reason."""
        connection = guest.connection
        try:
            while True:
                requests = await self._aside(
                    connection.next_requests, connection.has_much
                )
                if requests:
                    failure = await self._serve_batch(stream, guest, requests)
                    if failure is not None:
                        await _bid_farewell(stream)
                        return "answered with an exception"
                    continue
                data = await self._receive(stream, connection)
                if data is None:
                    return "the daemon stops"
                connection.receive_data(data)
                if not data:
                    connection.next_requests()
                    self._report.closed_by_peer(guest, self._application.height)
                    return "the node closed it"
        except RemoteProtocolError as exc:
            self._report.broke(guest, exc)
            return "the node broke the protocol"
        except trio.BrokenResourceError as exc:
            self._report.closed_by_peer(guest, self._application.height)
            return f"the connection broke: {exc.__cause__ or exc}"
        except trio.TooSlowError:
            return f"the node read nothing for {STALL_SECONDS:g} s"

    async def _serve_batch(
        self, stream: trio.abc.Stream, guest: Guest, requests: Sequence[Request]
    ) -> Failure | None:
        """Write the answers to what one receive brought; the Failure that ends them."""
        connection = guest.connection
        self._report.asks(guest, requests)
        if guest.is_greeting:
            # An engine that begins: a Commit that it did not see the end of counts.
            await self._machine.settled()
        answers, failure = await self._answer(connection, requests, guest.number)
        if delay := connection.delay_before_answers(requests):
            await trio.sleep(delay)
        await _send(stream, answers)
        if failure is not None:
            self._report.failed(guest, failure)
        return failure

    async def _receive(
        self, stream: trio.abc.Stream, connection: Connection
    ) -> bytes | bytearray | None:
        """What the node sends next, however long it takes; None if we stop."""
        with trio.CancelScope() as scope:
            if self._leave_at is not None:
                self._limit(scope, connection, self._leave_at)
            self._receiving[scope] = connection
            try:
                return await stream.receive_some(RECEIVE_BYTES)
            finally:
                del self._receiving[scope]
        return None

    async def _aside(self, work: Callable[[], list[T]], is_much: bool) -> list[T]:
        """What `work` returns, which has a thread where there is much of it."""
        if not is_much:
            return work()
        return cast(list[T], await self._run_sync(work, limiter=self._limiter))

    async def _answer(
        self, connection: Connection, requests: Sequence[Request], number: int
    ) -> tuple[bytes, Failure | None]:
        """The bytes that answer `requests`, and the Failure if they end with one."""
        written: list[bytes] = []
        for hop in split_into_hops(requests):
            if hop.priority is Priority.CONSENSUS:
                self._report.works()
            answers = await self._machine.answer(hop, owner=number)
            # Shorter than the requests after a Failure, and then it is the last.
            pairs = zip(hop.requests, answers, strict=False)
            written += await self._aside(
                partial(_written, connection, pairs), is_much(hop.requests)
            )
            if answers and isinstance(answers[-1], Failure):
                return b"".join(written), answers[-1]
        return b"".join(written), None


def _written(
    connection: Connection, pairs: Iterable[tuple[Request, Answer]]
) -> list[bytes]:
    return [connection.send(request, answer) for request, answer in pairs]


async def _send(stream: trio.abc.Stream, data: bytes) -> None:
    """Write a batch of answers; raises TooSlowError if the node does not read."""
    view = memoryview(data)
    for start in range(0, len(data), SEND_SLICE_BYTES):
        with trio.fail_after(STALL_SECONDS):
            await stream.send_all(view[start : start + SEND_SLICE_BYTES])


async def _bid_farewell(stream: trio.abc.Stream) -> None:
    """Give the node the time to read the last answer and to close the connection."""
    if not isinstance(stream, trio.abc.HalfCloseableStream):
        return
    with trio.move_on_after(FAREWELL_SECONDS), suppress(trio.BrokenResourceError):
        await stream.send_eof()
        while await stream.receive_some(RECEIVE_BYTES):
            pass


def _keep_alive(stream: trio.abc.Stream) -> None:
    """Have the system find out, within two minutes, about nodes that vanished without a word.

    A living one may be silent for days, so silence alone never ends a connection.
    """
    if isinstance(stream, trio.SocketStream):
        with suppress(OSError):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)


def _host(stream: trio.abc.Stream) -> str:
    return _peer(stream).rpartition(":")[0] or _peer(stream)


def _peer(stream: trio.abc.Stream) -> str:
    if isinstance(stream, trio.SocketStream):
        with suppress(OSError):
            address = stream.socket.getpeername()
            # Who dials a unix socket has no name of its own.
            return "%s:%d" % address[:2] if address else "a unix socket"
    return "somewhere"
