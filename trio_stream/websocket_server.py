"""The WebSocket door: one guarded task and one clone of the commit channel a subscriber.

    clients ── client ── private nursery: the library's reader · the client's own task
    doors      trio.serve_listeners, whose handlers live in `clients`
    pinger     one task that pings all clients by due time

A client at the tip sleeps: the channel's pass writes to its socket in place, and so does
the pinger. Its own task wakes when the socket was full, or when it has to catch up.

No client can end this door. trio-websocket 0.12.2 lets exceptions out of its reader task
when a peer misbehaves at the right moment, and a plain GET makes it wait for ever; so each
client has a guard around its nursery, and the request head is read and judged here before
the library sees one. Slowness is judged in `client_stream`, silence in `stream.keepalive`.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import NamedTuple

import h11
import trio
import trio_websocket

from trio_stream import __version__
from trio_stream.client_stream import ClientStream
from trio_stream.commit_channel import CommitChannel
from trio_stream.log_file import CommitLogError
from trio_stream.sockets import give_up_after, linger
from trio_stream.stream.admission import Admission, client_address, trusted_networks
from trio_stream.stream.handshake import (
    HEAD_TOO_LARGE,
    MALFORMED,
    Rejection,
    Upgrade,
    judge,
)
from trio_stream.subscriber import Pinger, Subscriber

logger = logging.getLogger(__name__)

_SERVER = f"trio_stream/{__version__}"
# Connections beyond the limit of clients that may be here to be told so.
_STRANGERS = 1_000
_RECEIVE_BYTES = 4 * 1024
_GOING_AWAY = 1001


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may cost. Sizes in bytes, times in seconds."""

    max_clients: int = 20_000
    max_clients_per_address: int = 0  # 0: none, since a proxy is one address
    trusted_proxies: tuple[str, ...] = ()
    ping_interval: float = 20.0
    pong_timeout: float = 20.0
    stall_timeout: float = 60.0
    # Without it the kernel keeps 4 MB for a stalled client on loopback.
    send_buffer: int = 128 * 1024
    handshake_timeout: float = 10.0
    head_limit: int = 16 * 1024
    shutdown_timeout: float = 5.0


async def serve(
    channel: CommitChannel,
    listeners: Sequence[trio.SocketListener],
    *,
    limits: Limits,
    tls: ssl.SSLContext | None = None,
    stop: trio.Event,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve subscribers until `stop` is set and `channel` has ended.

    `stop` closes the listeners. The clients stay until the channel ends; then they
    get what is left for them in the tail and Close 1001, and who is not gone
    `shutdown_timeout` later is cut. Raises `CommitLogError`.
    """
    door = _Door(channel, limits, tls)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(door.pinger.run)
        async with trio.open_nursery() as clients:
            async with trio.open_nursery() as doors:
                listen = partial(trio.serve_listeners, handler_nursery=clients)
                await doors.start(listen, door.welcome, listeners)
                task_status.started(listeners)
                await stop.wait()
                doors.cancel_scope.cancel()
            await channel.ended.wait()
            patience = limits.shutdown_timeout
            clients.cancel_scope.deadline = trio.current_time() + patience
        nursery.cancel_scope.cancel()


class _Entry(NamedTuple):
    """What is left of the request of a client that may stay."""

    address: str
    request: bytes
    early: bytes


class _Door:
    """What all clients of one `serve` have in common."""

    def __init__(
        self, channel: CommitChannel, limits: Limits, tls: ssl.SSLContext | None
    ) -> None:
        self._channel = channel
        self._limits = limits
        self._tls = tls
        self._trusted = trusted_networks(limits.trusted_proxies)
        self._connections = 0
        self._admission = Admission(
            total=limits.max_clients, per_address=limits.max_clients_per_address
        )
        self.pinger = Pinger(
            lambda: channel.bytes_framed,
            interval=limits.ping_interval,
            timeout=limits.pong_timeout,
        )

    async def welcome(self, accepted: trio.SocketStream) -> None:
        """Handle a connection. Nothing that its peer does comes out of here."""
        try:
            peer = str(accepted.socket.getpeername()[0])
        except OSError:  # reset before it was its turn
            await trio.aclose_forcefully(accepted)
            return
        # Made anew around a socket object that may be written to directly: Trio's
        # own hides it.
        raw = socket.socket(fileno=accepted.socket.detach())
        transport = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        self._connections += 1
        try:
            if self._connections <= self._limits.max_clients + _STRANGERS:
                await self._converse(transport, raw, peer)
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

    async def _converse(
        self, transport: trio.SocketStream, raw: socket.socket, peer: str
    ) -> None:
        limits = self._limits
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer)
        give_up_after(raw, limits.stall_timeout)
        stream: trio.abc.Stream = transport
        if self._tls is not None:
            stream = trio.SSLStream(
                transport, self._tls, server_side=True, https_compatible=True
            )
        # One deadline for all of it, lifted once the client is let in.
        with trio.move_on_after(limits.handshake_timeout) as patience:
            entry = await self._let_in(stream, peer)
            if entry is None:
                return
            try:
                client = ClientStream(
                    stream,
                    raw,
                    in_place=self._tls is None,
                    request=entry.request,
                    early=entry.early,
                    stall_timeout=limits.stall_timeout,
                )
                await self._serve(client, entry.address, patience)
            finally:
                self._admission.leave(entry.address)

    async def _let_in(self, stream: trio.abc.Stream, peer: str) -> _Entry | None:
        """Read the request; answer it if its sender may not stay."""
        head = await _read_head(stream, self._limits.head_limit)
        if head is None:
            return None
        if isinstance(head, Rejection):
            logger.info("%s: refused with status %d", peer, head.status)
            await _answer(stream, head)
            return None
        request, early = head
        forwarded = [v for name, v in request.headers if name == b"x-forwarded-for"]
        address = client_address(peer, forwarded, self._trusted)
        verdict = judge(request.method, request.target, request.headers)
        if isinstance(verdict, Upgrade):
            rejection = self._admission.enter(address)
            if rejection is None:
                return _Entry(address, verdict.encode(), early)
            verdict = rejection
        logger.info("%s: refused with status %d", address, verdict.status)
        await _answer(stream, verdict, head_only=request.method == b"HEAD")
        return None

    async def _serve(
        self, stream: ClientStream, address: str, patience: trio.CancelScope
    ) -> None:
        try:
            async with trio.open_nursery() as nursery:
                proposal = await trio_websocket.wrap_server_stream(
                    nursery, stream, receive_buffer_size=_RECEIVE_BYTES
                )
                # "From now on" begins where the log ends before the 101 is written.
                after = await self._channel.tip()
                send_nowait = stream.send_nowait if stream.in_place else None
                with self._channel.clone(after, send_nowait=send_nowait) as clone:
                    stream.on_close = clone.close
                    connection = await proposal.accept(extra_headers=_headers())
                    patience.deadline = math.inf
                    logger.info("%s: subscribed", address)
                    subscriber = Subscriber(stream, clone, nursery)
                    try:
                        with self.pinger.present(subscriber):
                            await subscriber.feed()
                    except trio.EndOfChannel:
                        stream.leave("the channel has ended")
                        await connection.aclose(_GOING_AWAY)
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        pass  # the library's reader learns it too, and ends
        finally:
            stream.cut("cut")
            logger.info("%s: %s", address, stream.reason)


def _headers() -> list[tuple[bytes, bytes]]:
    """What the 101 says beside the handshake, as BigchainDB's does."""
    return [
        (b"Content-Type", b"application/octet-stream"),
        (b"Date", formatdate(usegmt=True).encode("ascii")),
        (b"Server", _SERVER.encode("ascii")),
    ]


async def _read_head(
    stream: trio.abc.Stream, limit: int
) -> tuple[h11.Request, bytes] | Rejection | None:
    """The request and what came behind it; None if the peer went away first."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=limit)
    try:
        while (event := parser.next_event()) is h11.NEED_DATA:
            if not limit:
                return HEAD_TOO_LARGE
            data = await stream.receive_some(min(limit, _RECEIVE_BYTES))
            if not data:
                return None
            limit -= len(data)
            parser.receive_data(bytes(data))
    except h11.RemoteProtocolError:
        return MALFORMED
    assert isinstance(event, h11.Request)
    return event, parser.trailing_data[0]


async def _answer(
    stream: trio.abc.Stream, rejection: Rejection, *, head_only: bool = False
) -> None:
    date = formatdate(usegmt=True)
    data = rejection.encode(server=_SERVER, date=date, head_only=head_only)
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(data)
    await linger(stream)
