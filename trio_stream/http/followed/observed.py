"""What is asked about a follower itself, by path: its state, its health, its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from trio_stream.http.followed.figures import FollowerRooms
from trio_stream.http.followed.health import FollowerHealth
from trio_stream.http.followed.metric_table import OF_A_FOLLOWER
from trio_stream.http.followed.status import FollowerStatus
from trio_stream.http.health import Health
from trio_stream.http.metrics import Metrics
from trio_stream.http.routes import LIVE, METRICS, READY, STATUS, Get
from trio_stream.log.connections import RunSync


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerReadiness:
    """When a follower is ready."""

    node_timeout: float
    free_bytes: int


def follower_state(rooms: FollowerRooms) -> FollowerStatus:
    """Who knows the state of the follower."""
    return FollowerStatus(
        log=rooms.log,
        height=lambda: rooms.channel.newest.height,
        follower=rooms.follower,
        subscribers=rooms.subscribers.statistics,
    )


def followed_observed(
    rooms: FollowerRooms, readiness: FollowerReadiness, *, run_sync: RunSync
) -> dict[str, Get]:
    """The answers of GET requests; metrics are written down by `run_sync`."""
    nodes = FollowerHealth(follower=rooms.follower, node_timeout=readiness.node_timeout)
    health = Health(
        own=nodes.checks, disk=rooms.disk.usage, free_bytes=readiness.free_bytes
    )
    metrics = Metrics(rooms.figures, OF_A_FOLLOWER, run_sync=run_sync)
    return {
        STATUS: follower_state(rooms).answer,
        LIVE: health.live,
        READY: health.ready,
        METRICS: metrics.answer,
    }
