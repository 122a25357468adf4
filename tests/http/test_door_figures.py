"""The figures that every kind of daemon has; those of a whole node are in test_figures."""

from __future__ import annotations

import trio

from trio_stream.http import door_figures as figures
from trio_stream.http.places import HttpStatistics
from trio_stream.log.connections import ConnectionsStatistics
from trio_stream.log.disk import DiskUsage
from trio_stream.log.followed.reader import FollowedReaderStatistics
from trio_stream.net.durations import Durations

READS = ConnectionsStatistics(3, 0.5, 2, 1)


def test_labels() -> None:
    assert figures.one("a", 1) == ("a", (), 1)
    assert [*figures.by_label("a", {"x": 1, "y": 2})] == [
        ("a", ("x",), 1),
        ("a", ("y",), 2),
    ]
    assert [*figures.by_status("a", {404: 1})] == [("a", ("404",), 1)]


def test_connections() -> None:
    found = dict(
        ((name, labels), value)
        for name, labels, value in figures.of_http(
            HttpStatistics(1, 2, 3, 4, 5, {429: 6})
        )
    )
    assert found["http_connections", ("in_line",)] == 1
    assert found["http_turned_away_total", ("429",)] == 6


def test_a_disk_that_does_not_answer_has_no_size() -> None:
    assert [*figures.of_disk(None)] == [("log_writable", (), 0)]
    found = [*figures.of_disk(DiskUsage(100, 10, 1, ""))]
    assert ("log_writable", (), 1) in found
    assert ("disk_free_bytes", (), 1) in found
    found = [*figures.of_disk(DiskUsage(100, 10, 1, "it is gone"))]
    assert ("log_writable", (), 0) in found


def test_reads_by_their_purpose() -> None:
    log = FollowedReaderStatistics(
        channel=READS, announcing=READS, lookups=READS, replay=READS
    )
    found = [*figures.of_reads(log)]
    assert ("reads_waiting", ("channel",), READS.reads_waiting) in found
    assert ("reads_late_total", ("replay",), READS.reads_late) in found
    assert len(found) == 12


async def test_the_process() -> None:
    await trio.lowlevel.checkpoint()
    found = {name for name, _, _ in figures.of_process(Durations())}
    assert found == {"loop_delay_seconds", "tasks"}
