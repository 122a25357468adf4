"""What is asked about the node itself, by path: its state, its health, its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from trio_stream.http.figures import Rooms
from trio_stream.http.health import Health
from trio_stream.http.metric_table import OF_A_NODE
from trio_stream.http.metrics import Metrics
from trio_stream.http.node_health import NodeHealth
from trio_stream.http.routes import LIVE, METRICS, READY, STATUS, Get
from trio_stream.http.status import NodeStatus
from trio_stream.log.connections import RunSync


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """When a node is ready."""

    engine_timeout: float
    free_bytes: int


def state_of(rooms: Rooms) -> NodeStatus:
    """Who knows the state of the node."""
    return NodeStatus(
        chain=rooms.chain,
        newest=lambda: rooms.channel.newest,
        door=lambda: rooms.abci().places,
        engine=rooms.engine,
        subscribers=rooms.subscribers.statistics,
    )


def observed(
    rooms: Rooms, readiness: Readiness, *, run_sync: RunSync
) -> dict[str, Get]:
    """The answers of GET requests; metrics are written down by `run_sync`."""
    node = NodeHealth(
        door=lambda: rooms.abci().places,
        ended=lambda: rooms.chain.ended,
        engine_timeout=readiness.engine_timeout,
    )
    health = Health(
        own=node.checks, disk=rooms.disk.usage, free_bytes=readiness.free_bytes
    )
    metrics = Metrics(rooms.figures, OF_A_NODE, run_sync=run_sync)
    return {
        STATUS: state_of(rooms).answer,
        LIVE: health.live,
        READY: health.ready,
        METRICS: metrics.answer,
    }
