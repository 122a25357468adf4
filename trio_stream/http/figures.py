"""The figures of a node's rooms at one moment, by metric: what `http.metrics` writes down.

Each room counts for itself and says so in its `statistics`; nothing is counted here. What takes
time, the engine's word and the disk's, has deadlines of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trio_stream import __version__
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.engine.broadcast import ClientStatistics
from trio_stream.engine.server import AbciStatistics
from trio_stream.engine.sync_status import EngineStatus, SyncStatus
from trio_stream.http.door_figures import (
    Figure,
    by_label,
    by_status,
    of_chain,
    of_disk,
    of_http,
    of_process,
    of_reads,
    of_subscribers,
    one,
)
from trio_stream.http.places import HttpStatistics
from trio_stream.http.status import Chained
from trio_stream.http.submit import Posts
from trio_stream.log.disk import Disk
from trio_stream.log.reader import LogReaderStatistics
from trio_stream.log.snapshotter import SnapshotterStatistics
from trio_stream.net.durations import Durations
from trio_stream.stream.admission import Admission


class Log(Protocol):
    def statistics(self) -> LogReaderStatistics: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Those who know."""

    chain: Chained
    log: Log
    disk: Disk
    channel: CommitChannel[Any]
    engine: SyncStatus
    abci: Callable[[], AbciStatistics]
    broadcasts: Callable[[], ClientStatistics]
    subscribers: Admission
    guard_refused: Mapping[int, int]
    http: Callable[[], HttpStatistics]
    posts: Callable[[], Posts]
    checks_refused: Mapping[str, int]
    snapshots: Callable[[], SnapshotterStatistics]
    loop_delays: Durations

    async def figures(self) -> list[Figure]:
        """All figures; takes microseconds once the engine and the disk have answered."""
        says = await self.engine.newest()
        usage = await self.disk.usage()
        # No await from here on: the figures are those of one moment.
        channel = self.channel.statistics()
        return [
            ("info", (__version__, self.chain.chain_id), 1),
            *of_chain(self.channel.newest, channel),
            one("events_total", channel.passed.events),
            *_refusals("block", channel.passed.refused),
            *_refusals("check", dict(self.checks_refused)),
            *_refusals("post", dict(self.posts().refused)),
            *_engine(self.abci(), says),
            *_broadcasts(self.broadcasts()),
            *of_subscribers(self.subscribers.statistics(), channel),
            *by_status("requests_refused_total", dict(self.guard_refused)),
            *of_http(self.http()),
            *_posts(self.posts()),
            *of_disk(usage),
            *of_reads(self.log.statistics()),
            *_snapshots(self.snapshots()),
            *of_process(self.loop_delays),
        ]


def _refusals(by: str, refused: Mapping[str, int]) -> Iterator[Figure]:
    for error, count in refused.items():
        yield "refused_transactions_total", (by, error), count


def _engine(abci: AbciStatistics, says: EngineStatus | None) -> Iterator[Figure]:
    seen = abci.places.engine
    yield one("engine_connected", int(seen is not None))
    if seen is not None:
        yield "engine_info", (seen.dialect, seen.version), 1
    if says is not None:
        yield one("engine_block_height", says.height)
        yield one("engine_catching_up", int(says.catching_up))
    yield one("abci_connections", abci.places.connections)
    yield one("abci_held_bytes", abci.places.held_bytes)
    for kind, times in abci.times.items():
        yield "state_machine_seconds", (kind,), times.distribution()
    for kind, waits in abci.waits.items():
        yield "state_machine_wait_seconds", (kind,), waits.distribution()


def _broadcasts(client: ClientStatistics) -> Iterator[Figure]:
    yield from by_label("engine_rpc_connections", client.connections._asdict())
    yield one("broadcasts_waiting", client.callers_in_line)


def _snapshots(snapshots: SnapshotterStatistics) -> Iterator[Figure]:
    yield one("snapshot_height", snapshots.height)
    results = {"made": snapshots.made, "failed": snapshots.failed}
    yield from by_label("snapshots_total", results)


def _posts(posts: Posts) -> Iterator[Figure]:
    yield from by_status("posts_total", dict(posts.answers))
    yield one("post_seconds", posts.times.distribution())
