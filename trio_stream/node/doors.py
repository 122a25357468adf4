"""The two doors that every daemon of ours has, with all that they share, made of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.config import Address, DoorSettings
from trio_stream.http import server as http_server
from trio_stream.http.api import Api
from trio_stream.http.places import HttpPlaces
from trio_stream.http.subscriptions import Subscriptions
from trio_stream.net.listeners import open_door, port_of
from trio_stream.net.stoppable import Stoppable
from trio_stream.net.upgrades import Upgrades
from trio_stream.node.credentials import Credentials
from trio_stream.node.opened import Addresses
from trio_stream.stream.admission import Admission
from trio_stream.websocket import server as websocket_server
from trio_stream.websocket.guests import NOBODY, Others
from trio_stream.websocket.limits import WebSocketLimits


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the doors listen on."""

    stream: list[trio.SocketListener]
    api: list[trio.SocketListener]


async def bind(
    config: DoorSettings, credentials: Credentials, stack: AsyncExitStack
) -> Sockets:
    """Open the doors' sockets, which are closed with `stack`. Raises `OSError`."""
    stream, api = [
        await stack.enter_async_context(open_door(address.host, address.port))
        for address in (config.stream, config.api)
    ]
    credentials.warn_if_open("stream", stream)
    credentials.warn_if_open("api", api)
    return Sockets(stream, api)


class Doors:
    """The WebSocket and the HTTP door to one channel."""

    def __init__(
        self,
        config: DoorSettings,
        sockets: Sockets,
        credentials: Credentials,
        channel: CommitChannel[Any],
        *,
        path: str,
        others: Others = NOBODY,
    ) -> None:
        """`path` is that of the stream that is named to clients; `others` serve other protocols."""
        self._config = config
        self._sockets = sockets
        self._credentials = credentials
        self._channel = channel
        self._path = path
        self._others = others
        self._upgrades = Upgrades(others)
        # One for both, because the limit on clients counts those of both.
        self.admission = Admission(
            total=config.max_clients,
            per_address=config.max_clients_per_address,
            trusted_proxies=config.trusted_proxies,
        )
        self.places = HttpPlaces(_http_limits(config), channel.turn)
        self.subscriptions = Subscriptions(
            channel,
            self.admission,
            # Streams stay; some connections are kept for requests that don't.
            most=config.http_connections - config.http_connections // 4,
            guard=credentials.guard,
        )

    @property
    def streams_url(self) -> str:
        """Where the index documents say the stream is."""
        config = self._config
        scheme = config.advertised_scheme or ("wss" if config.tls_certificate else "ws")
        host = config.advertised_host or config.stream.host
        port = config.advertised_port or port_of(self._sockets.stream[0])
        return f"{scheme}://{Address(host, port)}{self._path}"

    def addresses(self, abci: str = "") -> Addresses:
        """Where the doors listen, and where the engine connects if it does."""
        secure = "s" if self._config.tls_certificate else ""
        stream = _bound(self._config.stream, self._sockets.stream)
        api = _bound(self._config.api, self._sockets.api)
        return Addresses(
            f"ws{secure}://{stream}{self._path}", f"http{secure}://{api}", abci
        )

    def tasks(self, app: Api) -> Sequence[Stoppable]:
        """What serves them: the streams, and `app`."""
        credentials, addresses = self._credentials, self.addresses()
        serve_stream = partial(
            websocket_server.serve,
            self._channel,
            self._sockets.stream,
            limits=_limits(self._config),
            admission=self.admission,
            tls=credentials.stream_tls if credentials.has_tls else None,
            upgrades=self._upgrades,
            guard=credentials.guard_of_doors,
            others=self._others,
        )
        answered = trio.Event()
        serve_api = partial(
            http_server.serve,
            app,
            self._sockets.api,
            tls=credentials.api_tls if credentials.has_tls else None,
            limits=_http_limits(self._config),
            lasting=app.lasting,
            answered=answered,
            direct=app.direct,
            turn=self._channel.turn,
            upgrades=self._upgrades,
            places=self.places,
            guard=credentials.guard_of_doors,
        )
        return (
            Stoppable("stream", serve_stream, addresses.stream),
            Stoppable("api", serve_api, addresses.api, idle=answered),
        )


def _bound(address: Address, listeners: Sequence[trio.SocketListener]) -> Address:
    return Address(address.host, port_of(listeners[0]))


def _limits(config: DoorSettings) -> WebSocketLimits:
    return WebSocketLimits(
        max_connections=config.max_clients + config.max_handshakes,
        max_connections_per_address=config.stream_connections_per_address,
        trusted_proxies=config.trusted_proxies,
        ping_interval=config.ping_interval,
        pong_timeout=config.pong_timeout,
        stall_timeout=config.stall_timeout,
        send_buffer=config.send_buffer,
        handshake_timeout=config.handshake_timeout,
        shutdown_timeout=config.shutdown_stream,
    )


def _http_limits(config: DoorSettings) -> http_server.HttpLimits:
    return http_server.HttpLimits(
        max_connections=config.http_connections,
        max_connections_per_address=config.http_connections_per_address,
        trusted_proxies=config.trusted_proxies,
        head_timeout=config.handshake_timeout,
        keep_alive=config.http_keep_alive,
        body_timeout=config.http_body_timeout,
        body_rate=config.http_body_rate,
        stall_timeout=config.stall_timeout,
        send_buffer=config.send_buffer,
        max_body_bytes=config.max_body_bytes,
        bytes_under_way=config.http_bytes_under_way,
        # The streams that it serves end after the channel, within the whole of a stop.
        shutdown_timeout=config.shutdown_total,
    )
