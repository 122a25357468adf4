"""The figures of a whole node without an engine, and of rooms that don't answer."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.memory_log import MemoryLog
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.engine.broadcast import ClientStatistics
from trio_stream.engine.places import EngineSeen, PlacesStatistics
from trio_stream.engine.rpc import RpcStatistics
from trio_stream.engine.server import AbciStatistics
from trio_stream.engine.state_machine import StateMachineStatistics
from trio_stream.engine.sync_status import EngineStatus
from trio_stream.http.door_figures import Value
from trio_stream.http.figures import Rooms
from trio_stream.http.metric_table import OF_A_NODE, Kind
from trio_stream.http.places import HttpStatistics
from trio_stream.http.submit import Posts
from trio_stream.log.connections import ConnectionsStatistics
from trio_stream.log.disk import DiskUsage
from trio_stream.log.reader import LogReaderStatistics
from trio_stream.log.snapshotter import SnapshotterStatistics
from trio_stream.net.durations import Distribution, Durations
from trio_stream.stream.admission import Admission

Found = dict[tuple[str, tuple[str, ...]], Value]
READS = ConnectionsStatistics(3, 0.5, 2, 1)


class TheChain:
    chain_id = "a-chain"
    ended = None


class Log(MemoryLog):
    def statistics(self) -> LogReaderStatistics:
        return LogReaderStatistics(
            channel=READS, lookups=READS, replay=READS, searches=READS, judging=READS
        )


class Says:
    """Says the same to whoever asks."""

    def __init__(self, said: Any) -> None:
        self.said = said

    async def newest(self) -> Any:
        await trio.lowlevel.checkpoint()
        return self.said

    usage = newest


async def figures(
    tmp_path: Path,
    *,
    engine: EngineStatus | None,
    seen: EngineSeen | None,
    usage: DiskUsage | None,
) -> Found:
    async with running() as channel:
        admission, posts, times = Admission(), Posts(), Durations()
        admission.enter("a")
        admission.note_departure("stalled")
        posts.count(202, 0.1)
        posts.refused["DoubleSpend"] += 1
        times.add(0.2)
        asked: Any = Says(engine)
        disk: Any = Says(usage)
        rooms = Rooms(
            chain=TheChain(),
            log=Log(),
            disk=disk,
            channel=channel,
            engine=asked,
            abci=lambda: AbciStatistics(
                PlacesStatistics(4, 10, seen, math.inf),
                StateMachineStatistics(False, 0, 0, 0),
                {"commit": times},
                {"commit": times},
            ),
            broadcasts=lambda: ClientStatistics(RpcStatistics(1, 2), 3),
            subscribers=admission,
            guard_refused={401: 8},
            http=lambda: HttpStatistics(1, 2, 3, 4, 5, {429: 6}),
            posts=lambda: posts,
            checks_refused={"InvalidSignature": 7},
            snapshots=lambda: SnapshotterStatistics(3, 1, 2_000, 0.5),
            loop_delays=times,
        )
        found = await rooms.figures()
    named = {(name, labels): value for name, labels, value in found}
    assert len(named) == len(found)
    return named


@asynccontextmanager
async def running() -> AsyncIterator[CommitChannel]:
    """A channel that has announced two blocks, one of them with a refusal."""
    log = MemoryLog()
    channel, stop = CommitChannel(CommittedBlocks(log)), trio.Event()
    for _ in range(2):
        log.commit()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=stop))
        yield channel
        stop.set()


FULL = {
    "engine": EngineStatus(9, True, "0.38.26"),
    "seen": EngineSeen("C38", "0.38.26"),
    "usage": DiskUsage(100, 10, 1, ""),
}


async def test_there_is_a_figure_for_each_metric(tmp_path: Path) -> None:
    found = await figures(tmp_path, **FULL)  # type: ignore[arg-type]  # by name
    known = {metric.name: metric for metric in OF_A_NODE}
    assert {name for name, _ in found} == known.keys()
    for (name, labels), value in found.items():
        assert len(labels) == len(known[name].labels), name
        is_many = known[name].kind is Kind.HISTOGRAM
        assert isinstance(value, Distribution) == is_many, name


async def test_what_the_rooms_say_is_what_is_shown(tmp_path: Path) -> None:
    found = await figures(tmp_path, **FULL)  # type: ignore[arg-type]  # by name
    assert found["block_height", ()] == 2
    assert found["engine_block_height", ()] == 9
    assert found["engine_catching_up", ()] == 1
    assert found["engine_info", ("C38", "0.38.26")] == 1
    assert found["refused_transactions_total", ("check", "InvalidSignature")] == 7
    assert found["refused_transactions_total", ("post", "DoubleSpend")] == 1
    assert found["snapshot_height", ()] == 2_000
    assert found["snapshots_total", ("failed",)] == 1
    assert found["subscribers", ("websocket",)] == 1
    assert found["websocket_closes_total", ("stalled",)] == 1
    assert found["http_connections", ("working",)] == 3
    assert found["requests_refused_total", ("401",)] == 8
    assert found["http_turned_away_total", ("429",)] == 6
    assert found["posts_total", ("202",)] == 1
    assert found["engine_rpc_connections", ("idle",)] == 2
    assert found["disk_free_bytes", ()] == 1
    assert found["reads_late_total", ("replay",)] == 2


async def test_what_is_not_known_is_absent(tmp_path: Path) -> None:
    found = await figures(tmp_path, engine=None, seen=None, usage=None)
    assert found["engine_connected", ()] == 0
    assert found["log_writable", ()] == 0
    absent = {metric.name for metric in OF_A_NODE} - {name for name, _ in found}
    assert absent == {
        "engine_info",
        "engine_block_height",
        "engine_catching_up",
        "log_bytes",
        "log_write_ahead_bytes",
        "disk_free_bytes",
    }


@pytest.mark.parametrize("trouble", ["", "it was removed"])
async def test_a_log_that_cannot_be_written_to(tmp_path: Path, trouble: str) -> None:
    usage = DiskUsage(1, 1, 1, trouble)
    found = await figures(tmp_path, engine=None, seen=None, usage=usage)
    assert found["log_writable", ()] == (not trouble)
