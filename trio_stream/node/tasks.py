"""The tasks of the node: they serve what `core` opens, at the `doors` and to the engine.

Everything is made from the `Config` in these, and nowhere else: no room below knows a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import trio

from trio_stream.config import Address, Config
from trio_stream.engine.catching_up import CatchingUp
from trio_stream.engine.report import warn_if_exposed
from trio_stream.engine.server import AbciServer
from trio_stream.http.api import Api
from trio_stream.http.bigchaindb import bigchaindb_routes
from trio_stream.http.figures import Rooms
from trio_stream.http.observed import Readiness, observed, state_of
from trio_stream.http.submit import Submission
from trio_stream.net.listeners import open_abci, port_of
from trio_stream.net.loop_delay import LoopDelay
from trio_stream.net.stoppable import Stoppable
from trio_stream.node.core import Core, open_core
from trio_stream.node.credentials import Credentials
from trio_stream.node.doors import Doors, Sockets, bind
from trio_stream.node.opened import Opened
from trio_stream.node.stopping import stop_node
from trio_stream.stream.handshake import STREAM_PATH

_PATH = STREAM_PATH.decode("ascii")


async def open_node(config: Config, stack: AsyncExitStack) -> Opened:
    """Open the log and the doors' sockets; what is open is closed with `stack`.

    Raises `OSError`, `CommitLogError`, `CertificateError` or `TokensError`.
    """
    credentials = Credentials(config)
    core = open_core(config, stack)
    listeners = await stack.enter_async_context(open_abci(config.abci))
    warn_if_exposed(listeners, config.abci)
    sockets = await bind(config, credentials, stack)
    return _node(config, core, listeners, sockets, credentials)


def _node(
    config: Config,
    core: Core,
    listeners: Sequence[trio.SocketListener],
    sockets: Sockets,
    credentials: Credentials,
) -> Opened:
    """The node, with the tasks in starting order."""
    channel = core.channel

    catching_up = CatchingUp(core.application.height)

    def on_commit(height: int) -> None:
        channel.advance(height)
        core.checkpointer.committed()
        core.snapshotter.committed(height)
        catching_up.committed(height)

    doors = Doors(config, sockets, credentials, channel, path=_PATH)
    abci = AbciServer(
        core.application,
        on_commit=on_commit,
        frame_limit=config.frame_limit,
        run_sync=channel.run_undisturbed,
    )
    submission = Submission(
        core.reader,
        core.engine,
        core.blocks,
        commit_timeout=config.commit_timeout,
        ended=lambda: core.application.ended,
    )
    loop = LoopDelay()
    rooms = Rooms(
        chain=core.application,
        log=core.reader,
        disk=core.disk,
        channel=channel,
        engine=core.sync_status,
        abci=abci.statistics,
        broadcasts=core.engine.statistics,
        subscribers=doors.admission,
        guard_refused=credentials.guard.refused,
        http=doors.places.statistics,
        posts=lambda: submission.posts,
        checks_refused=core.application.recent_checks.refused,
        snapshots=core.snapshotter.statistics,
        loop_delays=loop.delays,
    )
    readiness = Readiness(
        engine_timeout=config.ready_engine_timeout, free_bytes=config.ready_free_bytes
    )
    routes = bigchaindb_routes(
        core.reader,
        core.application.recent_checks,
        submission,
        run_sync=channel.run_in_turn,
        streams_url=doors.streams_url,
        observed=observed(rooms, readiness, run_sync=channel.run_in_turn),
    )
    app = Api(
        routes,
        doors.subscriptions,
        max_body_bytes=config.max_body_bytes,
        guard=credentials.guard,
    )
    serve_abci = partial(
        abci.serve, list(listeners), shutdown_timeout=config.shutdown_abci
    )
    address = _abci_address(config.abci, listeners)
    tasks = (
        Stoppable("loop delay", loop.run),
        Stoppable("channel", channel.run),
        Stoppable("checkpoints", core.checkpointer.run),
        Stoppable("snapshots", core.snapshotter.run),
        Stoppable("reads", core.reader.run),
        Stoppable("abci", serve_abci, address),
        *doors.tasks(app),
    )
    by_name = {task.name: task for task in tasks}
    return Opened(
        addresses=doors.addresses(address),
        tasks=by_name,
        stop=partial(stop_node, config, by_name),
        summary=state_of(rooms).summary,
        reload=credentials.reload,
    )


def _abci_address(configured: str, listeners: Sequence[trio.SocketListener]) -> str:
    if not configured.startswith("tcp://"):
        return configured
    host = configured.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    return f"tcp://{Address(host, port_of(listeners[0]))}"
