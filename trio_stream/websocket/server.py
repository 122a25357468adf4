"""The WebSocket door: one guarded task and one clone of the commit channel per subscriber.

    clients ── client ── private nursery: the library's reader · the client's own task
    doors      trio.serve_listeners, whose handlers live in `clients`
    pinger     one task that pings all clients by due time
    reminder   one task that tells positions to the clients that asked for notices

A client at the tip sleeps: the channel's pass writes to its socket in place, and so does
the pinger. Its own task wakes if the socket was full, or if it has to catch up.

No client can end this door. trio-websocket 0.12.2 lets exceptions out of its reader task
when a peer misbehaves at the right moment, so each client has a guard around its nursery.
Requests are read and judged in `websocket.gate`, before the library sees them; slowness is
judged in `websocket.subscriber_stream`, silence in `stream.keepalive`. Connections on which the
HTTP server has read the request are received from it (`net.upgrades`), and are like all others.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Generic

import trio
import trio_websocket

from trio_stream.access.guard import Guard
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.log.errors import CommitLogError
from trio_stream.net.sockets import give_up_after, turn_away
from trio_stream.net.upgrades import Upgrades, Visitor
from trio_stream.stream.admission import (
    ADDRESS_CONNECTED,
    FULL,
    Admission,
    Connections,
)
from trio_stream.stream.frames import text_frame
from trio_stream.stream.handshake import full
from trio_stream.stream.notices import refused_text
from trio_stream.stream.page_request import S
from trio_stream.stream.resume import ResumeRefused
from trio_stream.websocket.gate import (
    Admitted,
    Denied,
    Gate,
    headers_of,
    last_words,
)
from trio_stream.websocket.guests import NOBODY, Guest, Others, entertain
from trio_stream.websocket.limits import WebSocketLimits
from trio_stream.websocket.notices import Reminder, Teller
from trio_stream.websocket.subscriber import Ending, Pinger, Subscriber, withdraw
from trio_stream.websocket.subscriber_stream import SubscriberStream

logger = logging.getLogger(__name__)

_RECEIVE_BYTES = 4 * 1024
_NOT_REMINDED: AbstractContextManager[None] = nullcontext()


async def serve(
    channel: CommitChannel[S],
    listeners: Sequence[trio.SocketListener],
    *,
    limits: WebSocketLimits,
    admission: Admission | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
    upgrades: Upgrades | None = None,
    guard: Guard | None = None,
    others: Others = NOBODY,
    stop: trio.Event,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve subscribers until `stop` is set and `channel` has ended.

    `admission` is shared with the other doors that admit subscribers. Connections that come
    through `upgrades` are served too. `guard` says who may subscribe, if not everybody. `others`
    serve clients of other protocols, by path.

    `stop` closes the listeners. The clients stay until the channel ends; then they
    get what the tail still has for them and Close 1001, and those that are still connected
    after `shutdown_timeout` are cut. Raises `CommitLogError`.
    """
    server = _WebSocketServer(
        channel, limits, admission or Admission(), tls, guard, others
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.pinger.run)
        nursery.start_soon(server.reminder.run)
        async with trio.open_nursery() as clients:
            async with trio.open_nursery() as doors:
                listen = partial(trio.serve_listeners, handler_nursery=clients)
                await doors.start(listen, server.welcome, listeners)
                with (upgrades or Upgrades()).received_by(
                    lambda visitor: clients.start_soon(server.receive, visitor)
                ):
                    task_status.started(listeners)
                    await stop.wait()
                doors.cancel_scope.cancel()
            await channel.ended.wait()
            patience = limits.shutdown_timeout
            clients.cancel_scope.deadline = trio.current_time() + patience
        nursery.cancel_scope.cancel()


class _WebSocketServer(Generic[S]):
    """What all clients of one `serve` have in common."""

    def __init__(
        self,
        channel: CommitChannel[S],
        limits: WebSocketLimits,
        admission: Admission,
        tls: Callable[[], ssl.SSLContext] | None,
        guard: Guard | None,
        others: Others,
    ) -> None:
        self._channel = channel
        self._limits = limits
        self._tls = tls
        self._connections = 0
        self._by_address = Connections(
            limits.max_connections_per_address, limits.trusted_proxies
        )
        self._turn = channel.turn  # one for all
        self._gate = Gate(
            channel,
            admission,
            guard=guard,
            others=others,
            head_limit=limits.head_limit,
        )
        self._guard = guard
        self.pinger = Pinger(
            lambda: channel.bytes_framed,
            interval=limits.ping_interval,
            timeout=limits.pong_timeout,
        )
        self.reminder = Reminder()

    async def welcome(self, accepted: trio.SocketStream) -> None:
        """Handle a connection. Nothing that its peer does raises an exception here."""
        try:
            peer = str(accepted.socket.getpeername()[0])
        except OSError:  # reset before its turn came
            await trio.aclose_forcefully(accepted)
            return
        # Made again around a socket object that can be written to directly: Trio hides its own.
        raw = socket.socket(fileno=accepted.socket.detach())
        stream: trio.abc.Stream
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        if self._tls is not None:
            stream = trio.SSLStream(
                stream, self._tls(), server_side=True, https_compatible=True
            )
        await self.receive(Visitor(stream, raw, peer, secure=self._tls is not None))

    async def receive(self, visitor: Visitor) -> None:
        """Handle a connection that came here, or whose request was read by another server."""
        raw, peer = visitor.raw, visitor.peer
        self._connections += 1
        try:
            with self._by_address.counted(peer) as has_room:
                limit = None if has_room else ADDRESS_CONNECTED
                if self._connections > self._limits.max_connections:
                    limit = FULL
                if limit is None:
                    await self._converse(visitor)
                elif not visitor.secure:
                    turn_away(raw, last_words(full(limit)))
        except* CommitLogError:
            raise
        except* (
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            trio_websocket.ConnectionClosed,
        ) as group:
            logger.debug("%s: %r", peer, group.exceptions)
        except* Exception:
            logger.exception("%s: cut for an error", peer)
        finally:
            self._connections -= 1
            raw.close()

    async def _converse(self, visitor: Visitor) -> None:
        limits = self._limits
        stream, raw, peer, secure, head = visitor
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer)
        give_up_after(raw, limits.stall_timeout)
        # One deadline for the request and for finding where it begins. Then another for the 101
        # alone, or the first could pass while that is on its way; lifted once the client has it.
        with trio.move_on_after(limits.handshake_timeout) as patience:
            client = await self._gate.let_in(stream, peer, head)
            if client is None:
                return
            patience.deadline = trio.current_time() + limits.stall_timeout
            try:
                if isinstance(client, Guest):
                    await entertain(client, visitor, patience, self._gate, self._guard)
                    return
                subscribed = SubscriberStream(
                    stream,
                    raw,
                    in_place=not secure,
                    request=client.request,
                    early=client.early,
                    stall_timeout=limits.stall_timeout,
                    turn=self._turn,
                )
                await self._serve(subscribed, client, patience)
            finally:
                self._gate.leave(client)

    async def _serve(
        self,
        stream: SubscriberStream,
        client: Admitted[S] | Denied,
        patience: trio.CancelScope,
    ) -> None:
        try:
            async with trio.open_nursery() as nursery:
                proposal = await trio_websocket.wrap_server_stream(
                    nursery, stream, receive_buffer_size=_RECEIVE_BYTES
                )
                connection = await proposal.accept(
                    subprotocol=next(iter(proposal.proposed_subprotocols), None),
                    extra_headers=headers_of(client),
                )
                del proposal  # a kilobyte, kept for as long as the client stays
                patience.deadline = math.inf
                self._gate.note_arrival(client)
                with (
                    suppress(trio.BrokenResourceError, trio.ClosedResourceError),
                    self._as_long_as_allowed(stream, client, nursery),
                ):
                    ending = await self._feed(stream, client, nursery)
                    stream.leave(ending.why)
                    # A client that takes nothing more, or does not send Close either, is cut.
                    with trio.move_on_after(self._limits.stall_timeout):
                        await connection.aclose(ending.code, ending.reason)
                # Otherwise the library's reader finds out as well, and ends.
        finally:
            stream.cut("cut")
            self._gate.note_departure(client, stream.reason)

    def _as_long_as_allowed(
        self,
        stream: SubscriberStream,
        client: Admitted[S] | Denied,
        nursery: trio.Nursery,
    ) -> AbstractContextManager[None]:
        """Until the end of the block, close the connection if its token becomes invalid."""
        if self._guard is None or isinstance(client, Denied):
            return nullcontext()
        end = partial(nursery.start_soon, withdraw, stream)
        return self._guard.streaming(client.token, end)

    async def _feed(
        self,
        stream: SubscriberStream,
        client: Admitted[S] | Denied,
        nursery: trio.Nursery,
    ) -> Ending:
        """Give a client what it asked for until that ends."""
        if isinstance(client, Denied):
            return await _tell_refused(stream, client.refused)
        asked, beginning = client.asked, client.beginning
        clone = self._channel.clone(
            beginning.after,
            selection=asked.selection,
            until=beginning.until,
            send_nowait=stream.send_nowait if stream.in_place else None,
        )
        with clone:
            stream.on_close = clone.close
            subscriber = Subscriber(stream, clone, nursery)
            teller, reminded = None, _NOT_REMINDED
            if asked.notices:
                teller = Teller(self._channel, stream, clone, beginning, nursery)
                reminded = self.reminder.present(teller)
            with self.pinger.present(subscriber), reminded:
                try:
                    return await subscriber.serve(self._channel, beginning, teller)
                except ResumeRefused as refused:
                    refused.notices = asked.notices
                    return await _tell_refused(stream, refused)


async def _tell_refused(stream: SubscriberStream, refused: ResumeRefused) -> Ending:
    """Send a notice that says why it cannot begin, if it asked for notices."""
    if refused.notices:
        await stream.send_all(text_frame(refused_text(refused)))
    return Ending(refused.close_code, refused.error, f"refused: {refused}")
