"""The ABCI door: where the consensus engine drives the state machine.

An engine opens three or four connections and says on none of them what it is for. Each gets a task
(`conversation`) that reads, has `abci.connection` decode requests, has the state machine answer
them, and writes the answers to one receive in one write, in order.

An engine that breaks the protocol, or that does not read its answers, loses its connection and
nothing else. What the application raises goes up and ends the daemon. When all places are taken,
the connection that looks least like an engine's gives way (`places`).

This door knows nothing about transactions: the application that it drives answers requests.
"""

from __future__ import annotations

import itertools
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import trio

from trio_stream.abci.connection import AbciConnection
from trio_stream.engine.conversation import Conversation, Desk
from trio_stream.engine.places import (
    HELD_MESSAGES,
    AbciGuest,
    AbciPlaces,
    PlacesStatistics,
)
from trio_stream.engine.report import Report
from trio_stream.engine.state_machine import (
    AbciApplication,
    RunSync,
    StateMachine,
    StateMachineStatistics,
)
from trio_stream.net.durations import Durations

logger = logging.getLogger(__name__)

LINGER_SECONDS = 2.0
"""For the engine to close its connections when we stop; a live one takes a few milliseconds. See
`AbciConnection.closes_last`."""


class AbciStatistics(NamedTuple):
    """What `AbciServer.statistics` returns."""

    places: PlacesStatistics
    machine: StateMachineStatistics
    waits: Mapping[str, Durations]
    """How long work waited for the state machine's thread, by what it was."""
    times: Mapping[str, Durations]
    """How long it took."""


class AbciServer:
    """The door, and what the tasks of all its connections have in common.

    `on_commit(height)` is called whenever the application's height has moved, before the answer
    that says so is written, even if the door is being cancelled.
    """

    def __init__(
        self,
        application: AbciApplication,
        *,
        on_commit: Callable[[int], None],
        frame_limit: int,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        machine = StateMachine(application, on_commit=on_commit, run_sync=run_sync)
        places = AbciPlaces(most_bytes=HELD_MESSAGES * frame_limit)
        self._desk = Desk(application, machine, run_sync, places, Report())
        self._frame_limit = frame_limit
        self._numbers = itertools.count(1)
        self._open: set[Conversation] = set()
        self._leave_at: float | None = None

    def statistics(self) -> AbciStatistics:
        """Who is at the door, and what the state machine is doing."""
        desk = self._desk
        machine = desk.machine
        return AbciStatistics(
            desk.places.statistics(), machine.statistics(), machine.waits, machine.times
        )

    async def serve(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        *,
        shutdown_timeout: float,
        stop: trio.Event,
        task_status: trio.TaskStatus[
            Sequence[trio.abc.Listener[trio.abc.Stream]]
        ] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer every engine that connects until `stop` is set; closes the listeners.

        After `stop`, current batches are answered, and so are requests that an engine needs
        answered in order to exit, for at most `shutdown_timeout` seconds. Raises what the
        application raises.
        """
        async with trio.open_nursery() as engines:
            async with trio.open_nursery() as doors:
                accept = partial(
                    trio.serve_listeners,
                    self.handle,
                    listeners,  # type: ignore[arg-type]  # partial hides the type variable
                    handler_nursery=engines,
                )
                await doors.start(accept)
                task_status.started(listeners)
                try:
                    await stop.wait()
                finally:
                    # The nursery would wait for the thread, however long that takes.
                    self._desk.application.give_up()
                doors.cancel_scope.cancel()
            engines.cancel_scope.deadline = trio.current_time() + shutdown_timeout
            self.stop_receiving(min(LINGER_SECONDS, shutdown_timeout / 2))
        if engines.cancel_scope.cancelled_caught:
            logger.warning("abci connections were cut off after %g s", shutdown_timeout)

    def stop_receiving(self, linger: float) -> None:
        """Have each connection finish its current batch, and read no other.

        Connections that close last are still read until the engine has closed them, for at most
        `linger` seconds. Only the end of another connection makes it do so.
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
            # The caller closes the stream.
            with guest.scope:
                reason = await conversation.run()
            reason = guest.gave_way or reason
        finally:
            self._open.remove(conversation)
            places.leave(guest)
            self._desk.machine.disown(number)
            report.left(guest, reason)


def _keep_alive(stream: trio.abc.Stream) -> None:
    """Have the system detect engines that vanish without a word, within two minutes.

    A live one may be silent for days, so silence alone never ends a connection.
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
            # A peer that dials a unix socket has no address.
            return "%s:%d" % address[:2] if address else "a unix socket"
    return "somewhere"
