"""The tasks of a follower: its log is filled from other people's nodes, and served at the doors."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import trio

from trio_stream.config import FollowConfig
from trio_stream.follower.follower import Follower
from trio_stream.http.api import Api
from trio_stream.http.followed.calls import answered_by
from trio_stream.http.followed.figures import FollowerRooms
from trio_stream.http.followed.observed import (
    FollowerReadiness,
    followed_observed,
    follower_state,
)
from trio_stream.http.followed.routes import followed_routes
from trio_stream.net.loop_delay import LoopDelay
from trio_stream.net.stoppable import Stoppable
from trio_stream.node.credentials import Credentials
from trio_stream.node.doors import Doors, bind
from trio_stream.node.drop_in import WEBSOCKET, open_drop_in
from trio_stream.node.following_core import open_follow_core
from trio_stream.node.opened import Opened
from trio_stream.node.stopping import stop_follower
from trio_stream.stream.selection import STREAMS_PATH

_PATH = f"{STREAMS_PATH}transactions"


async def open_follower(config: FollowConfig, stack: AsyncExitStack) -> Opened:
    """Open the log and the doors' sockets; what is open is closed with `stack`.

    Raises `OSError`, `CommitLogError`, `CertificateError` or `TokensError`.
    """
    credentials = Credentials(config)
    core = open_follow_core(config, stack)
    sockets = await bind(config, credentials, stack)
    drop_in = open_drop_in(config, core.reader, core.follower.nodes)
    core.announced.append(drop_in.door.advance)
    doors = Doors(
        config,
        sockets,
        credentials,
        core.channel,
        path=_PATH,
        others={WEBSOCKET: drop_in.door.welcome},
    )
    loop = LoopDelay()
    rooms = FollowerRooms(
        follower=core.follower.statistics,
        log=core.reader,
        disk=core.disk,
        channel=core.channel,
        subscribers=doors.admission,
        guard_refused=credentials.guard.refused,
        http=doors.places.statistics,
        loop_delays=loop.delays,
        json_rpc=drop_in.door.statistics,
    )
    readiness = FollowerReadiness(
        node_timeout=config.ready_engine_timeout, free_bytes=config.ready_free_bytes
    )
    routes = followed_routes(
        core.reader,
        streams_url=doors.streams_url,
        observed=followed_observed(rooms, readiness, run_sync=core.channel.run_in_turn),
        others=answered_by(drop_in.over_http.answer, credentials.guard),
    )
    app = Api(
        routes,
        doors.subscriptions,
        max_body_bytes=config.max_body_bytes,
        guard=credentials.guard,
    )
    tasks = (
        Stoppable("loop delay", loop.run),
        Stoppable("channel", core.channel.run),
        Stoppable("drop-in", drop_in.run),
        Stoppable("checkpoints", core.checkpointer.run),
        Stoppable("reads", core.reader.run),
        *doors.tasks(app),
        Stoppable("follower", partial(follow, core.follower)),
    )
    by_name = {task.name: task for task in tasks}
    return Opened(
        addresses=doors.addresses(),
        tasks=by_name,
        stop=partial(stop_follower, config, by_name),
        summary=follower_state(rooms).summary,
        reload=credentials.reload,
    )


async def follow(
    follower: Follower,
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Follow until `stop` is set; raises what the follower raises."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run)
        task_status.started()
        await stop.wait()
        nursery.cancel_scope.cancel()
