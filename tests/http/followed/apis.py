"""A follower's API over rooms that say what a test says, served or not."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from tests.http.followed.rooms import FOLLOWER
from trio_stream.http import server
from trio_stream.http.api import Api
from trio_stream.http.followed.figures import FollowerRooms
from trio_stream.http.followed.observed import FollowerReadiness, followed_observed
from trio_stream.http.followed.routes import FOLLOWER_BODY_BYTES, followed_routes
from trio_stream.http.places import HttpStatistics
from trio_stream.http.routes import Others
from trio_stream.http.subscriptions import Subscriptions
from trio_stream.log.disk import Disk
from trio_stream.net.durations import Durations
from trio_stream.stream.admission import Admission

STREAMS = "ws://here:9985/api/v1/streams/transactions"


def follower_api(
    log: Any, channel: Any, path: Path, others: Others | None = None
) -> Api:
    """The API of a follower whose nodes answer."""
    admission = Admission()
    rooms = FollowerRooms(
        follower=lambda: FOLLOWER,
        log=log,
        disk=Disk(path),
        channel=channel,
        subscribers=admission,
        guard_refused={},
        http=lambda: HttpStatistics(0, 0, 0, 0, 0, {}),
        loop_delays=Durations(),
    )
    readiness = FollowerReadiness(node_timeout=60, free_bytes=0)
    routes = followed_routes(
        log,
        streams_url=STREAMS,
        observed=followed_observed(rooms, readiness, run_sync=trio.to_thread.run_sync),
        others=others,
    )
    subscriptions = Subscriptions(channel, admission, most=100)
    return Api(routes, subscriptions, max_body_bytes=FOLLOWER_BODY_BYTES)


@asynccontextmanager
async def serving(app: Api) -> AsyncIterator[str]:
    """Serve it; yields its URL."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    limits = server.HttpLimits(
        max_body_bytes=FOLLOWER_BODY_BYTES, shutdown_timeout=math.inf
    )
    serve = partial(server.serve, app, listeners, tls=None, direct=app.direct)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, limits=limits, stop=stop))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        stop.set()
