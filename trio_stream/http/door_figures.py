"""The figures that every kind of daemon has: subscribers, connections, the log, the process.

`http.figures` adds those of a node, `http.followed.figures` those of a follower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Protocol

import trio

from trio_stream.channel.commit_channel import ChannelStatistics
from trio_stream.channel.tally import NewestBlock
from trio_stream.http.places import HttpStatistics
from trio_stream.log.connections import ConnectionsStatistics
from trio_stream.log.disk import DiskUsage
from trio_stream.log.followed.reader import FollowedReaderStatistics
from trio_stream.log.reader import LogReaderStatistics
from trio_stream.net.durations import Distribution, Durations
from trio_stream.stream.admission import AdmissionStatistics

Value = float | Distribution
Figure = tuple[str, tuple[str, ...], Value]
"""A metric's name without the prefix, the values of its labels, and its value."""


LogStatistics = LogReaderStatistics | FollowedReaderStatistics


class Channel(Protocol):
    """What is asked of the commit channel."""

    @property
    def newest(self) -> NewestBlock: ...

    def statistics(self) -> ChannelStatistics: ...


def by_label(name: str, values: Mapping[str, Value]) -> Iterator[Figure]:
    """The figures of a metric with one label."""
    for label, value in values.items():
        yield name, (label,), value


def one(name: str, value: Value) -> Figure:
    """The figure of a metric without labels."""
    return name, (), value


def of_chain(newest: NewestBlock, channel: ChannelStatistics) -> Iterator[Figure]:
    """Of the chain."""
    yield one("block_height", newest.height)
    seconds, nanos = newest.time if newest.height else (0, 0)
    yield one("block_timestamp_seconds", seconds + nanos / 1e9)
    yield one("blocks_total", channel.passed.blocks)


def of_subscribers(
    admission: AdmissionStatistics, channel: ChannelStatistics
) -> Iterator[Figure]:
    """Of the subscribers, and of what they are sent."""
    yield from by_label("subscribers", admission.present)
    yield from by_label("subscriptions_total", admission.admitted)
    yield from by_status("subscriptions_refused_total", admission.refused)
    yield from by_label("websocket_closes_total", admission.departed)
    yield one("subscribers_waiting", channel.clones.waiting)
    yield one("selections", channel.clones.selections)
    yield one("slowest_subscriber_lag_blocks", channel.most_behind)
    yield one("fan_out_seconds", channel.times.distribution())
    sent = {"together": channel.sent_in_passes, "alone": channel.sent_by_tasks}
    yield from by_label("sent_bytes_total", sent)
    yield one("tail_bytes", channel.clones.tail_bytes)
    yield one("turns_waiting", channel.turns_waiting)


def by_status(name: str, counts: Mapping[int, int]) -> Iterator[Figure]:
    """The figures of a metric by HTTP status."""
    return by_label(name, {str(status): count for status, count in counts.items()})


def of_http(http: HttpStatistics) -> Iterator[Figure]:
    """Of the connections to the HTTP server."""
    states = {"in_line": http.in_line, "waiting": http.waiting, "working": http.working}
    yield from by_label("http_connections", states)
    yield one("http_answers_total", http.answers)
    yield from by_status("http_turned_away_total", http.turned_away)
    yield one("http_held_bytes", http.held_bytes)


def of_disk(usage: DiskUsage | None) -> Iterator[Figure]:
    """Of the log's files."""
    yield one("log_writable", int(usage is not None and not usage.trouble))
    if usage is not None:
        yield one("log_bytes", usage.log)
        yield one("log_write_ahead_bytes", usage.write_ahead)
        yield one("disk_free_bytes", usage.free)


def of_reads(log: LogStatistics) -> Iterator[Figure]:
    """Of the reads of the log, by their purpose."""
    for each in fields(log):
        found: ConnectionsStatistics = getattr(log, each.name)
        yield "reads_waiting", (each.name,), found.reads_waiting
        yield "read_oldest_wait_seconds", (each.name,), found.oldest_wait
        yield "reads_late_total", (each.name,), found.reads_late


def of_process(loop_delays: Durations) -> Iterator[Figure]:
    """Of the process."""
    yield one("loop_delay_seconds", loop_delays.distribution())
    yield one("tasks", trio.lowlevel.current_statistics().tasks_living)
