"""What is asked about a follower itself has a path each, and an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trio

from tests.http.followed.rooms import FOLLOWER, Log
from tests.http.followed.test_figures import Channel
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.followed.figures import FollowerRooms
from trio_stream.http.followed.observed import (
    FollowerReadiness,
    followed_observed,
    follower_state,
)
from trio_stream.http.places import HttpStatistics
from trio_stream.log.disk import Disk
from trio_stream.net.durations import Durations
from trio_stream.stream.admission import Admission


def rooms(path: Path) -> FollowerRooms:
    return FollowerRooms(
        follower=lambda: FOLLOWER,
        log=Log(),
        disk=Disk(path),
        channel=Channel(),
        subscribers=Admission(),
        guard_refused={},
        http=lambda: HttpStatistics(0, 0, 0, 0, 0, {}),
        loop_delays=Durations(),
    )


async def test_each_path_has_its_answer(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    gets = followed_observed(
        rooms(tmp_path / "log.db"),
        FollowerReadiness(node_timeout=60, free_bytes=0),
        run_sync=trio.to_thread.run_sync,
    )
    found: dict[str, Any] = {path: await get(b"") for path, get in gets.items()}
    assert all(isinstance(each, HttpAnswer) for each in found.values())
    assert {path: each.status for path, each in found.items()} == {
        "/api/v1/status": 200,
        "/health/live": 200,
        "/health/ready": 200,
        "/metrics": 200,
    }
    assert json.loads(found["/api/v1/status"].body)["height"] == 9
    ready = json.loads(found["/health/ready"].body)
    assert ready == {"ready": True, "nodes": "ok", "log": "ok", "disk": "ok"}
    assert b'trio_stream_node_height{node="n:26657"} 12.0' in found["/metrics"].body


def test_the_state_in_a_few_words(tmp_path: Path) -> None:
    summary = follower_state(rooms(tmp_path)).summary()
    assert summary == "block 9 of 12; 1 of 2 nodes have answered; 0 subscribers"
