"""The figures of a follower's rooms at one moment, by metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from trio_stream import __version__
from trio_stream.channel.tally import TallyStatistics
from trio_stream.follower.statistics import FollowerStatistics, NodeStatistics
from trio_stream.http.door_figures import (
    Channel,
    Figure,
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
from trio_stream.log.disk import Disk
from trio_stream.log.followed.lookups import LogSummary
from trio_stream.log.followed.reader import FollowedReaderStatistics
from trio_stream.net.durations import Durations
from trio_stream.stream.admission import Admission


class Log(Protocol):
    async def summary(self) -> LogSummary: ...

    def statistics(self) -> FollowedReaderStatistics: ...


class JsonRpc(Protocol):
    """What the door for the engine's JSON-RPC says of itself."""

    @property
    def clients(self) -> int: ...
    @property
    def subscriptions(self) -> int: ...
    @property
    def queries(self) -> int: ...
    @property
    def frames_sent(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def kept_bytes(self) -> int: ...
    @property
    def most_behind(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerRooms:
    """Those who know."""

    follower: Callable[[], FollowerStatistics]
    log: Log
    disk: Disk
    channel: Channel
    subscribers: Admission
    guard_refused: Mapping[int, int]
    http: Callable[[], HttpStatistics]
    loop_delays: Durations
    json_rpc: Callable[[], JsonRpc] | None = None
    """None if that door is not there."""

    async def figures(self) -> list[Figure]:
        """All figures; takes microseconds once the log and the disk have answered."""
        log = await self.log.summary()
        usage = await self.disk.usage()
        # No await from here on: the figures are those of one moment.
        channel, follower = self.channel.statistics(), self.follower()
        return [
            ("info", (__version__, log.chain_id), 1),
            *of_chain(self.channel.newest, channel),
            *_passed(channel.passed),
            one("oldest_block_height", log.oldest),
            one("behind_blocks", max(0, follower.tip - log.tip)),
            *(figure for node in follower.nodes for figure in _node(node)),
            *([] if self.json_rpc is None else _json_rpc(self.json_rpc())),
            one("log_used_bytes", log.used_bytes),
            *of_subscribers(self.subscribers.statistics(), channel),
            *by_status("requests_refused_total", dict(self.guard_refused)),
            *of_http(self.http()),
            *of_disk(usage),
            *of_reads(self.log.statistics()),
            *of_process(self.loop_delays),
        ]


def _passed(passed: TallyStatistics) -> Iterator[Figure]:
    yield one("transactions_total", passed.transactions)
    yield one("failed_transactions_total", sum(passed.refused.values()))
    yield one("chain_events_total", passed.events)
    yield one("missing_blocks_total", passed.gaps)


def _node(node: NodeStatistics) -> Iterator[Figure]:
    yield "node_height", (node.name,), node.tip
    yield "node_state", (node.name, node.state.value), 1
    if node.silent < math.inf:
        yield "node_silent_seconds", (node.name,), node.silent
    yield "node_request_rate", (node.name,), node.rate
    yield "node_answers_total", (node.name,), node.answers
    for trouble, count in node.troubles.items():
        yield "node_troubles_total", (node.name, trouble), count


def _json_rpc(door: JsonRpc) -> Iterator[Figure]:
    yield one("json_rpc_clients", door.clients)
    yield one("json_rpc_subscriptions", door.subscriptions)
    yield one("json_rpc_queries", door.queries)
    yield one("json_rpc_slowest_lag_blocks", door.most_behind)
    yield one("json_rpc_frames_total", door.frames_sent)
    yield one("json_rpc_sent_bytes_total", door.bytes_sent)
    yield one("json_rpc_held_bytes", door.kept_bytes)
