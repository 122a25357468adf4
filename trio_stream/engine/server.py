"""The ABCI door: where the consensus node drives the state machine.

A node opens three or four connections and tells on none of them what it is for. Each
gets a task (`abci_conversation`) that reads, lets `abci.connection` make requests of the
bytes, has the state machine answer them, and writes what answers one receive in one
write, in order.

A node that breaks the protocol, or that does not read its answers, loses its connection
and nothing else. What the application raises goes up and ends the daemon. When all places are
taken, a connection that looks least like a node's gives way (`abci_places`).

This door knows nothing of transactions: what it drives answers requests.
"""

from __future__ import annotations

import itertools
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import trio

from trio_stream.abci.connection import AbciConnection
from trio_stream.engine.conversation import Conversation, Desk
from trio_stream.engine.places import HELD_MESSAGES, AbciGuest, AbciPlaces
from trio_stream.engine.report import Report
from trio_stream.engine.state_machine import AbciApplication, RunSync, StateMachine

logger = logging.getLogger(__name__)

LINGER_SECONDS = 2.0
"""For the node to close its connections when we stop; a living one takes some
milliseconds. See `AbciConnection.closes_last`."""


async def serve(
    application: AbciApplication,
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
    places = AbciPlaces(most_bytes=HELD_MESSAGES * frame_limit)
    desk = Desk(application, machine, run_sync, places, Report())
    door = _AbciServer(desk, frame_limit=frame_limit)
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


class _AbciServer:
    """The tasks of all connections."""

    def __init__(self, desk: Desk, *, frame_limit: int) -> None:
        self._desk = desk
        self._frame_limit = frame_limit
        self._numbers = itertools.count(1)
        self._open: set[Conversation] = set()
        self._leave_at: float | None = None

    def stop_receiving(self, linger: float) -> None:
        """Let each connection finish the batch in its hands, and read no other.

        Connections that close last are read on, until the node has closed them, for at
        most `linger` seconds; without another one that tells it to, it would not.
        """
        if all(each.closes_last for each in self._open):
            linger = 0
        self._leave_at = trio.current_time() + linger
        for each in self._open:
            each.leave_at(self._leave_at)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection until it ends, for whatever reason."""
        number = next(self._numbers)
        report, places = self._desk.report, self._desk.places
        report.came(number, _peer(stream))
        guest = AbciGuest(
            number, _host(stream), AbciConnection(frame_limit=self._frame_limit)
        )
        guest.active_at = trio.current_time()
        if (leaving := places.enter(guest)) is not None:
            report.gives_way(leaving, len(places))
        conversation = Conversation(self._desk, stream, guest)
        if self._leave_at is not None:
            conversation.leave_at(self._leave_at)
        reason = "cancelled"
        self._open.add(conversation)
        _keep_alive(stream)
        try:
            # Who calls this closes the stream.
            with guest.scope:
                reason = await conversation.run()
            reason = guest.gave_way or reason
        finally:
            self._open.remove(conversation)
            places.leave(guest)
            self._desk.machine.disown(number)
            report.left(guest, reason)


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
