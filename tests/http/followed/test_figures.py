"""The figures of a follower's rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from tests.http.followed.rooms import FOLLOWER, Log
from trio_stream.abci.messages import Time
from trio_stream.channel.commit_channel import ChannelStatistics
from trio_stream.channel.tally import NewestBlock, TallyStatistics
from trio_stream.channel.waiters import ClonesStatistics
from trio_stream.http.door_figures import Value
from trio_stream.http.followed.figures import FollowerRooms, JsonRpc
from trio_stream.http.followed.metric_table import OF_A_FOLLOWER
from trio_stream.http.metric_table import Kind
from trio_stream.http.places import HttpStatistics
from trio_stream.jsonrpc.door import DropInStatistics
from trio_stream.log.disk import DiskUsage
from trio_stream.net.durations import Distribution, Durations
from trio_stream.stream.admission import Admission


class Channel:
    newest = NewestBlock(9, Time(1_000, 0))

    def statistics(self) -> ChannelStatistics:
        times = Durations()
        times.add(0.2)
        return ChannelStatistics(
            clones=ClonesStatistics(1, 2, 3, 4, 5),
            passed=TallyStatistics(5, 60, {"failed": 4}, 20, 2),
            times=times,
            sent_in_passes=7,
            sent_by_tasks=8,
            most_behind=0,
            turns_waiting=0,
        )


class Disk:
    async def usage(self) -> DiskUsage:
        await trio.lowlevel.checkpoint()
        return DiskUsage(100, 10, 1, "")


def json_rpc() -> DropInStatistics:
    return DropInStatistics(
        clients=1,
        subscriptions=2,
        queries=3,
        frames_sent=4,
        bytes_sent=5,
        kept_bytes=6,
        most_behind=7,
    )


async def figures(
    json_rpc: Callable[[], JsonRpc] | None = json_rpc,
) -> dict[tuple[str, tuple[str, ...]], Value]:
    admission, times = Admission(), Durations()
    admission.enter("a")
    admission.note_departure("stalled")
    times.add(0.2)
    disk: Any = Disk()
    rooms = FollowerRooms(
        follower=lambda: FOLLOWER,
        log=Log(),
        disk=disk,
        channel=Channel(),
        subscribers=admission,
        guard_refused={401: 8},
        http=lambda: HttpStatistics(1, 2, 3, 4, 5, {429: 6}),
        loop_delays=times,
        json_rpc=json_rpc,
    )
    found = await rooms.figures()
    named = {(name, labels): value for name, labels, value in found}
    assert len(named) == len(found)
    return named


async def test_there_is_a_figure_for_each_metric() -> None:
    found = await figures()
    known = {metric.name: metric for metric in OF_A_FOLLOWER}
    # Nobody was refused.
    assert {name for name, _ in found} == known.keys()
    for (name, labels), value in found.items():
        assert len(labels) == len(known[name].labels), name
        is_many = known[name].kind is Kind.HISTOGRAM
        assert isinstance(value, Distribution) == is_many, name


async def test_what_the_rooms_say_is_what_is_shown() -> None:
    found = await figures()
    assert found["block_height", ()] == 9
    assert found["behind_blocks", ()] == 3
    assert found["oldest_block_height", ()] == 5
    assert found["transactions_total", ()] == 20
    assert found["failed_transactions_total", ()] == 4
    assert found["chain_events_total", ()] == 60
    assert found["missing_blocks_total", ()] == 2
    assert found["node_state", ("n:26657", "answering")] == 1
    assert found["node_state", ("m", "unknown")] == 1
    assert found["node_troubles_total", ("n:26657", "NoAnswer")] == 2
    assert ("node_silent_seconds", ("m",)) not in found
    assert found["log_used_bytes", ()] == 4096
    assert found["requests_refused_total", ("401",)] == 8
    assert found["json_rpc_slowest_lag_blocks", ()] == 7
    assert found["json_rpc_frames_total", ()] == 4


async def test_a_door_that_is_not_there_has_no_figures() -> None:
    names = {name for name, _ in await figures(json_rpc=None)}
    assert not any(name.startswith("json_rpc") for name in names)
    assert "log_used_bytes" in names
