"""The figures of all rooms at one moment, by metric: what `http.metrics` writes down.

Each room counts for itself and says so in its `statistics`; nothing is counted here. What takes
time, the engine's word and the disk's, has deadlines of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Protocol

import trio

from trio_stream import __version__
from trio_stream.channel.commit_channel import ChannelStatistics, CommitChannel
from trio_stream.channel.tally import NewestBlock
from trio_stream.engine.broadcast import ClientStatistics
from trio_stream.engine.server import AbciStatistics
from trio_stream.engine.sync_status import EngineStatus, SyncStatus
from trio_stream.http.places import HttpStatistics
from trio_stream.http.status import Chained
from trio_stream.http.submit import Posts
from trio_stream.log.connections import ConnectionsStatistics
from trio_stream.log.disk import Disk, DiskUsage
from trio_stream.log.reader import LogReaderStatistics
from trio_stream.log.snapshotter import SnapshotterStatistics
from trio_stream.net.durations import Distribution, Durations
from trio_stream.stream.admission import Admission, AdmissionStatistics

Value = float | Distribution
Figure = tuple[str, tuple[str, ...], Value]
"""A metric's name without the prefix, the values of its labels, and its value."""


class Log(Protocol):
    def statistics(self) -> LogReaderStatistics: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Those who know."""

    chain: Chained
    log: Log
    disk: Disk
    channel: CommitChannel
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
            *_chain(self.channel.newest, channel),
            *_refusals("block", channel.passed.refused),
            *_refusals("check", dict(self.checks_refused)),
            *_refusals("post", dict(self.posts().refused)),
            *_engine(self.abci(), says),
            *_broadcasts(self.broadcasts()),
            *_subscribers(self.subscribers.statistics(), channel),
            *_by_status("requests_refused_total", dict(self.guard_refused)),
            *_http(self.http(), self.posts()),
            *_disk(usage),
            *_reads(self.log.statistics()),
            *_snapshots(self.snapshots()),
            ("loop_delay_seconds", (), self.loop_delays.distribution()),
            ("tasks", (), trio.lowlevel.current_statistics().tasks_living),
        ]


def _each(name: str, values: Mapping[str, Value]) -> Iterator[Figure]:
    """The figures of a metric with one label."""
    for label, value in values.items():
        yield name, (label,), value


def _of(name: str, value: Value) -> Figure:
    return name, (), value


def _chain(newest: NewestBlock, channel: ChannelStatistics) -> Iterator[Figure]:
    yield _of("block_height", newest.height)
    seconds, nanos = newest.time if newest.height else (0, 0)
    yield _of("block_timestamp_seconds", seconds + nanos / 1e9)
    yield _of("blocks_total", channel.passed.blocks)
    yield _of("events_total", channel.passed.events)


def _refusals(by: str, refused: Mapping[str, int]) -> Iterator[Figure]:
    for error, count in refused.items():
        yield "refused_transactions_total", (by, error), count


def _engine(abci: AbciStatistics, says: EngineStatus | None) -> Iterator[Figure]:
    seen = abci.places.engine
    yield _of("engine_connected", int(seen is not None))
    if seen is not None:
        yield "engine_info", (seen.dialect, seen.version), 1
    if says is not None:
        yield _of("engine_block_height", says.height)
        yield _of("engine_catching_up", int(says.catching_up))
    yield _of("abci_connections", abci.places.connections)
    yield _of("abci_held_bytes", abci.places.held_bytes)
    for kind, times in abci.times.items():
        yield "state_machine_seconds", (kind,), times.distribution()
    for kind, waits in abci.waits.items():
        yield "state_machine_wait_seconds", (kind,), waits.distribution()


def _broadcasts(client: ClientStatistics) -> Iterator[Figure]:
    yield from _each("engine_rpc_connections", client.connections._asdict())
    yield _of("broadcasts_waiting", client.callers_in_line)


def _subscribers(
    admission: AdmissionStatistics, channel: ChannelStatistics
) -> Iterator[Figure]:
    yield from _each("subscribers", admission.present)
    yield from _each("subscriptions_total", admission.admitted)
    yield from _by_status("subscriptions_refused_total", admission.refused)
    yield from _each("websocket_closes_total", admission.departed)
    yield _of("subscribers_waiting", channel.clones.waiting)
    yield _of("selections", channel.clones.selections)
    yield _of("slowest_subscriber_lag_blocks", channel.most_behind)
    yield _of("fan_out_seconds", channel.times.distribution())
    sent = {"together": channel.sent_in_passes, "alone": channel.sent_by_tasks}
    yield from _each("sent_bytes_total", sent)
    yield _of("tail_bytes", channel.clones.tail_bytes)
    yield _of("turns_waiting", channel.turns_waiting)


def _by_status(name: str, counts: Mapping[int, int]) -> Iterator[Figure]:
    return _each(name, {str(status): count for status, count in counts.items()})


def _http(http: HttpStatistics, posts: Posts) -> Iterator[Figure]:
    states = {"in_line": http.in_line, "waiting": http.waiting, "working": http.working}
    yield from _each("http_connections", states)
    yield _of("http_answers_total", http.answers)
    yield from _by_status("http_turned_away_total", http.turned_away)
    yield _of("http_held_bytes", http.held_bytes)
    yield from _by_status("posts_total", dict(posts.answers))
    yield _of("post_seconds", posts.times.distribution())


def _disk(usage: DiskUsage | None) -> Iterator[Figure]:
    yield _of("log_writable", int(usage is not None and not usage.trouble))
    if usage is not None:
        yield _of("log_bytes", usage.log)
        yield _of("log_write_ahead_bytes", usage.write_ahead)
        yield _of("disk_free_bytes", usage.free)


def _reads(log: LogReaderStatistics) -> Iterator[Figure]:
    for each in fields(log):
        reads: ConnectionsStatistics = getattr(log, each.name)
        yield "reads_waiting", (each.name,), reads.reads_waiting
        yield "read_oldest_wait_seconds", (each.name,), reads.oldest_wait
        yield "reads_late_total", (each.name,), reads.reads_late


def _snapshots(snapshots: SnapshotterStatistics) -> Iterator[Figure]:
    yield _of("snapshot_height", snapshots.height)
    results = {"made": snapshots.made, "failed": snapshots.failed}
    yield from _each("snapshots_total", results)
