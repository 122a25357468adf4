"""The nursery: which tasks there are, in which order they start, and how they stop.

Data flows one way: the consensus node's blocks come in at the ABCI door, are made
durable in the commit log, announced on the commit channel, and leave through the
WebSocket door; the HTTP door stands beside them. The tasks start against that flow, so
that nobody speaks before the next one listens, and an orderly stop goes along with it,
so that what was committed still reaches whoever is connected. Cancellation is only the
backstop of that: for a phase that overruns, for a second signal, and for a crash, since
a door that raises takes the daemon down with it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

import trio

from trio_stream import __version__
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.config import Address, Config, ConfigError
from trio_stream.engine import server as abci_server
from trio_stream.engine.broadcast import NodeClient
from trio_stream.http import api as http_api
from trio_stream.http import server as http_server
from trio_stream.ledger.application import Application
from trio_stream.log.checkpoint import Checkpointer
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.net import signals as daemon_signals
from trio_stream.net.listeners import is_local, open_abci, open_door, port_of
from trio_stream.net.tls import CertificateError, server_context
from trio_stream.stream.admission import Admission
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.websocket import server as websocket_server

logger = logging.getLogger(__name__)

STREAM_PATH = "/api/v1/streams/valid_transactions"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the doors listen, as a client on this machine names them."""

    abci: str
    stream: str
    api: str


@dataclass(slots=True)
class _Door:
    """A task of the nursery that can be asked to stop, and cancelled if it does not."""

    name: str
    serve: Callable[..., Awaitable[None]]
    address: str | None = None
    stop: trio.Event = field(default_factory=trio.Event)
    done: trio.Event = field(default_factory=trio.Event)
    # Set by a door when it is done but for those who follow the channel.
    idle: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def run(  # noqa: ASYNC128  # what it serves reports that it has started
        self, *, task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with self.scope:
            await self.serve(stop=self.stop, task_status=task_status)
        self.done.set()

    async def quiet(self, seconds: float) -> None:
        """Ask it to stop and wait until it has nothing else to do than to follow the channel."""
        self.stop.set()
        with trio.move_on_after(seconds) as patience:
            await self.idle.wait()
        if patience.cancelled_caught:
            logger.warning("%s has requests left after %g s", self.name, seconds)

    async def finish(self, seconds: float) -> None:
        """Ask it to stop and wait; after `seconds` cancel it."""
        self.stop.set()
        with trio.move_on_after(seconds) as patience:
            await self.done.wait()
        if patience.cancelled_caught:
            logger.warning("%s did not stop within %g s and is cut", self.name, seconds)
            self.scope.cancel()
            await self.done.wait()


async def run(
    config: Config,
    *,
    task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the node until SIGTERM or another signal for that, then stop it in good order.

    Reports its addresses through `task_status` once all doors listen. Raises what a
    door raises, and `OSError` or `CommitLogError` if it cannot start. A second signal
    cancels at once.
    """
    # Asked now, since a terminal that was closed is none any more.
    at_terminal = sys.stderr.isatty()
    async with AsyncExitStack() as stack:
        ignored = stack.enter_context(
            trio.open_signal_receiver(*daemon_signals.ignored(at_terminal=at_terminal))
        )
        addresses, doors = await _build(config, stack)
        signals = stack.enter_context(
            trio.open_signal_receiver(*daemon_signals.ends(at_terminal=at_terminal))
        )
        async with trio.open_nursery() as nursery:
            reporting = trio.CancelScope()
            nursery.start_soon(daemon_signals.report, ignored, reporting)
            for door in doors.values():
                await nursery.start(door.run)
                if door.address is not None:
                    logger.info("listening %s %s", door.name, door.address)
            task_status.started(addresses)
            number = await anext(signals)
            logger.info("%s: stopping", daemon_signals.name(number))
            nursery.cancel_scope.deadline = trio.current_time() + config.shutdown_total
            async with trio.open_nursery() as impatience:
                impatience.start_soon(_cancel_on_signal, signals, nursery)
                await _shut_down(config, doors)
                impatience.cancel_scope.cancel()
            reporting.cancel()
        if nursery.cancel_scope.cancelled_caught:
            logger.warning("stopped before everything had finished")
    logger.info("stopped")


async def _build(
    config: Config, stack: AsyncExitStack
) -> tuple[Addresses, dict[str, _Door]]:
    """Open the log and the sockets, and say which task serves what, in starting order."""
    try:
        stream_tls = server_context(config.tls_certificate, config.tls_key)
        api_tls = server_context(
            config.tls_certificate, config.tls_key, alpn=http_server.ALPN
        )
    except CertificateError as error:
        raise ConfigError(str(error)) from error
    log = stack.enter_context(CommitLog.open(config.home))
    # Of a block's transactions those that are dear to verify share the processors.
    verifiers = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
    cache = CandidateCache(
        config.cache_bytes, lock=threading.Lock(), map_dear=verifiers.map
    )
    reader = LogReader(log.path, cache)
    stack.push_async_callback(reader.aclose)
    application = Application(
        log, cache, version=__version__, warn=partial(logger.warning, "%s")
    )
    channel = CommitChannel(
        reader, tail_bytes=config.tail_bytes, resume_ahead=config.resume_ahead
    )
    checkpointer = Checkpointer(log, reader)
    node = NodeClient(
        config.node,
        max_connections=config.node_connections,
        timeout=config.node_timeout,
    )
    stack.push_async_callback(node.aclose)

    def on_commit(height: int) -> None:
        channel.advance(height)
        checkpointer.committed()

    abci = await stack.enter_async_context(open_abci(config.abci))
    if not all(map(is_local, abci)):
        logger.warning(
            "abci is bound to %s and has no authentication: whoever can reach it can commit"
            " blocks, which ends the chain; bind it to loopback or to a unix socket, or let"
            " a firewall admit the engine alone",
            config.abci,
        )
    stream = await stack.enter_async_context(
        open_door(config.stream.host, config.stream.port)
    )
    api = await stack.enter_async_context(open_door(config.api.host, config.api.port))
    addresses = _addresses(config, abci, stream, api)
    # One for all doors: a limit of clients holds whichever way they come.
    admission = Admission(
        total=config.max_clients,
        per_address=config.max_clients_per_address,
        trusted_proxies=config.trusted_proxies,
    )
    app = http_api.create_app(
        reader=reader,
        node=node,
        channel=channel,
        checks=application.recent_checks,
        streams_url=_streams_url(config, stream[0]),
        commit_timeout=config.commit_timeout,
        max_body_bytes=config.max_body_bytes,
        admission=admission,
        # Some connections are kept for others than those who stay.
        max_streams=config.http_connections - config.http_connections // 4,
    )
    serve_abci = partial(
        abci_server.serve,
        application,
        abci,
        on_commit=on_commit,
        frame_limit=config.frame_limit,
        shutdown_timeout=config.shutdown_abci,
        run_sync=channel.run_undisturbed,
    )
    serve_stream = partial(
        websocket_server.serve,
        channel,
        stream,
        limits=_limits(config),
        admission=admission,
        tls=stream_tls,
    )
    answered = trio.Event()
    serve_api = partial(
        http_server.serve,
        app,
        api,
        tls=api_tls,
        limits=_http_limits(config),
        lasting=app.lasting,
        answered=answered,
        direct=app.direct,
        turn=channel.turn,
    )
    doors = (
        _Door("channel", channel.run),
        _Door("checkpoints", checkpointer.run),
        _Door("reads", reader.run),
        _Door("abci", serve_abci, addresses.abci),
        _Door("stream", serve_stream, addresses.stream),
        _Door("api", serve_api, addresses.api, idle=answered),
    )
    return addresses, {door.name: door for door in doors}


async def _shut_down(config: Config, doors: dict[str, _Door]) -> None:
    """Stop the way the data goes: intake, source, channel, subscribers."""
    # The WebSocket doors close now; the guests leave when the channel has ended.
    doors["stream"].stop.set()
    await doors["api"].quiet(config.shutdown_http)
    await doors["abci"].finish(config.shutdown_abci)
    await doors["channel"].finish(config.shutdown_stream)
    async with trio.open_nursery() as subscribers:
        for name in ("stream", "api"):
            subscribers.start_soon(doors[name].finish, config.shutdown_stream)
    for name in ("checkpoints", "reads"):
        await doors[name].finish(config.shutdown_stream)


async def _cancel_on_signal(signals: AsyncIterator[int], nursery: trio.Nursery) -> None:
    await anext(signals)
    logger.warning("second signal: stopping at once")
    nursery.cancel_scope.cancel()


def _limits(config: Config) -> websocket_server.Limits:
    return websocket_server.Limits(
        max_connections=config.max_clients + config.max_handshakes,
        ping_interval=config.ping_interval,
        pong_timeout=config.pong_timeout,
        stall_timeout=config.stall_timeout,
        send_buffer=config.send_buffer,
        handshake_timeout=config.handshake_timeout,
        shutdown_timeout=config.shutdown_stream,
    )


def _http_limits(config: Config) -> http_server.Limits:
    return http_server.Limits(
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
        # The streams that it serves end behind the channel, within the whole of a stop.
        shutdown_timeout=config.shutdown_total,
    )


def _streams_url(config: Config, listener: trio.SocketListener) -> str:
    """Where the index documents say the stream is."""
    bound = Address(config.stream.host, port_of(listener))
    scheme = config.advertised_scheme or ("wss" if config.tls_certificate else "ws")
    address = Address(
        config.advertised_host or bound.host, config.advertised_port or bound.port
    )
    return f"{scheme}://{address}{STREAM_PATH}"


def _addresses(
    config: Config,
    abci: list[trio.SocketListener],
    stream: list[trio.SocketListener],
    api: list[trio.SocketListener],
) -> Addresses:
    secure = "s" if config.tls_certificate else ""
    place = config.abci
    if place.startswith("tcp://"):
        host = place.removeprefix("tcp://").rpartition(":")[0].strip("[]")
        place = f"tcp://{Address(host, port_of(abci[0]))}"
    return Addresses(
        abci=place,
        stream=f"ws{secure}://{Address(config.stream.host, port_of(stream[0]))}{STREAM_PATH}",
        api=f"http{secure}://{Address(config.api.host, port_of(api[0]))}",
    )
