"""The tasks of the node, and where its doors listen: they serve what `core` opens.

Everything is made from the `Config` in these two, and nowhere else: no room below knows a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import trio

from trio_stream.config import Address, Config
from trio_stream.engine.catching_up import CatchingUp
from trio_stream.engine.report import warn_if_exposed
from trio_stream.engine.server import AbciServer
from trio_stream.http import server as http_server
from trio_stream.http.api import Api
from trio_stream.http.bigchaindb import bigchaindb_routes
from trio_stream.http.figures import Rooms
from trio_stream.http.observed import Readiness, observed, state_of
from trio_stream.http.places import HttpPlaces
from trio_stream.http.submit import Submission
from trio_stream.http.subscriptions import Subscriptions
from trio_stream.net.listeners import open_abci, open_door, port_of
from trio_stream.net.loop_delay import LoopDelay
from trio_stream.net.stoppable import Stoppable
from trio_stream.net.upgrades import Upgrades
from trio_stream.node.core import Core, open_core
from trio_stream.node.credentials import Credentials
from trio_stream.stream.admission import Admission
from trio_stream.stream.handshake import STREAM_PATH
from trio_stream.websocket import server as websocket_server

_PATH = STREAM_PATH.decode("ascii")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the doors listen, as URLs for a client on this machine."""

    abci: str
    stream: str
    api: str


@dataclass(frozen=True, slots=True)
class Node:
    """The node, open but not running: its addresses, and its tasks by name in starting order."""

    addresses: Addresses
    tasks: dict[str, Stoppable]
    summary: Callable[[], str]
    """How the node is doing, in a few words."""
    reload: Callable[[], None]
    """Reads certificates and tokens again; logs what it finds and never raises."""


@dataclass(frozen=True, slots=True)
class _Sockets:
    """What the doors listen on."""

    abci: list[trio.SocketListener]
    stream: list[trio.SocketListener]
    api: list[trio.SocketListener]


async def open_node(config: Config, stack: AsyncExitStack) -> Node:
    """Open the log and the doors' sockets; what is open is closed with `stack`.

    Raises `OSError`, `CommitLogError`, `CertificateError` or `TokensError`.
    """
    credentials = Credentials(config)
    core = open_core(config, stack)
    sockets = await _bind(config, stack)
    credentials.warn_if_open("stream", sockets.stream)
    credentials.warn_if_open("api", sockets.api)
    addresses = _addresses(config, sockets)
    return _node(config, core, sockets, addresses, credentials)


async def _bind(config: Config, stack: AsyncExitStack) -> _Sockets:
    abci = await stack.enter_async_context(open_abci(config.abci))
    warn_if_exposed(abci, config.abci)
    stream, api = [
        await stack.enter_async_context(open_door(address.host, address.port))
        for address in (config.stream, config.api)
    ]
    return _Sockets(abci, stream, api)


def _node(
    config: Config,
    core: Core,
    sockets: _Sockets,
    addresses: Addresses,
    credentials: Credentials,
) -> Node:
    """The node, with the tasks in starting order."""
    channel = core.channel

    catching_up = CatchingUp(core.application.height)

    def on_commit(height: int) -> None:
        channel.advance(height)
        core.checkpointer.committed()
        core.snapshotter.committed(height)
        catching_up.committed(height)

    # One for all doors, because the limit on clients counts those of both.
    admission = Admission(
        total=config.max_clients,
        per_address=config.max_clients_per_address,
        trusted_proxies=config.trusted_proxies,
    )
    abci = AbciServer(
        core.application,
        on_commit=on_commit,
        frame_limit=config.frame_limit,
        run_sync=channel.run_undisturbed,
    )
    submission = Submission(
        core.reader,
        core.engine,
        channel,
        commit_timeout=config.commit_timeout,
        ended=lambda: core.application.ended,
    )
    places, loop = HttpPlaces(_http_limits(config), channel.turn), LoopDelay()
    rooms = Rooms(
        chain=core.application,
        log=core.reader,
        disk=core.disk,
        channel=channel,
        engine=core.sync_status,
        abci=abci.statistics,
        broadcasts=core.engine.statistics,
        subscribers=admission,
        guard_refused=credentials.guard.refused,
        http=places.statistics,
        posts=lambda: submission.posts,
        checks_refused=core.application.recent_checks.refused,
        snapshots=core.snapshotter.statistics,
        loop_delays=loop.delays,
    )
    readiness = Readiness(
        engine_timeout=config.ready_engine_timeout, free_bytes=config.ready_free_bytes
    )
    upgrades = Upgrades()
    routes = bigchaindb_routes(
        core.reader,
        core.application.recent_checks,
        submission,
        run_sync=channel.run_in_turn,
        streams_url=_streams_url(config, sockets),
        observed=observed(rooms, readiness, run_sync=channel.run_in_turn),
    )
    subscriptions = Subscriptions(
        channel,
        admission,
        # Streams stay; some connections are kept for requests that don't.
        most=config.http_connections - config.http_connections // 4,
        guard=credentials.guard,
    )
    app = Api(
        routes,
        subscriptions,
        max_body_bytes=config.max_body_bytes,
        guard=credentials.guard,
    )
    serve_abci = partial(
        abci.serve, sockets.abci, shutdown_timeout=config.shutdown_abci
    )
    serve_stream = partial(
        websocket_server.serve,
        channel,
        sockets.stream,
        limits=_limits(config),
        admission=admission,
        tls=credentials.stream_tls if credentials.has_tls else None,
        upgrades=upgrades,
        guard=credentials.guard_of_doors,
    )
    answered = trio.Event()
    serve_api = partial(
        http_server.serve,
        app,
        sockets.api,
        tls=credentials.api_tls if credentials.has_tls else None,
        limits=_http_limits(config),
        lasting=app.lasting,
        answered=answered,
        direct=app.direct,
        turn=channel.turn,
        upgrades=upgrades,
        places=places,
        guard=credentials.guard_of_doors,
    )
    tasks = (
        Stoppable("loop delay", loop.run),
        Stoppable("channel", channel.run),
        Stoppable("checkpoints", core.checkpointer.run),
        Stoppable("snapshots", core.snapshotter.run),
        Stoppable("reads", core.reader.run),
        Stoppable("abci", serve_abci, addresses.abci),
        Stoppable("stream", serve_stream, addresses.stream),
        Stoppable("api", serve_api, addresses.api, idle=answered),
    )
    by_name = {task.name: task for task in tasks}
    summary = state_of(rooms).summary
    return Node(addresses, by_name, summary, credentials.reload)


def _limits(config: Config) -> websocket_server.WebSocketLimits:
    return websocket_server.WebSocketLimits(
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


def _http_limits(config: Config) -> http_server.HttpLimits:
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


def _streams_url(config: Config, sockets: _Sockets) -> str:
    """Where the index documents say the stream is."""
    scheme = config.advertised_scheme or ("wss" if config.tls_certificate else "ws")
    host = config.advertised_host or config.stream.host
    port = config.advertised_port or port_of(sockets.stream[0])
    return f"{scheme}://{Address(host, port)}{_PATH}"


def _addresses(config: Config, sockets: _Sockets) -> Addresses:
    secure = "s" if config.tls_certificate else ""
    abci = config.abci
    if abci.startswith("tcp://"):
        host = abci.removeprefix("tcp://").rpartition(":")[0].strip("[]")
        abci = f"tcp://{Address(host, port_of(sockets.abci[0]))}"
    stream = Address(config.stream.host, port_of(sockets.stream[0]))
    api = Address(config.api.host, port_of(sockets.api[0]))
    return Addresses(abci, f"ws{secure}://{stream}{_PATH}", f"http{secure}://{api}")
