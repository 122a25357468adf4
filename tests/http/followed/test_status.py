"""The state of a follower."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import manual
from tests.http.followed.rooms import EMPTY, FOLLOWER, SUMMARY, Log
from trio_stream.follower.statistics import FollowerStatistics
from trio_stream.http.followed.status import FollowerStatus, seconds_behind
from trio_stream.log.followed.lookups import LogSummary
from trio_stream.stream.admission import Admission, Door


def status(
    log: LogSummary = SUMMARY, follower: FollowerStatistics = FOLLOWER
) -> FollowerStatus:
    admission = Admission()
    admission.enter("a", Door.SSE)
    return FollowerStatus(
        log=Log(log),
        height=lambda: log.tip,
        follower=lambda: follower,
        subscribers=admission.statistics,
        clock=lambda: 1_007.75,
    )


async def asked(**given: Any) -> Any:
    answer = await status(**given).answer(b"")
    assert answer.status == 200
    return json.loads(answer.body)


async def test_what_is_said_of_the_chain_and_the_log() -> None:
    said = await asked()
    assert said["kind"] == "follower"
    assert (said["chain_id"], said["height"], said["oldest"]) == ("made", 9, 5)
    assert said["block_time"] == "1970-01-01T00:16:40.500000000Z"
    assert said["behind"] == {"blocks": 3, "seconds": 7.25}
    assert (said["gaps"], said["missing_blocks"], said["log_bytes"]) == (1, 2, 4096)
    assert said["seeking"] == {"height": 10, "trouble": ""}
    assert said["subscribers"] == {"websocket": 0, "sse": 1, "poll": 0}


async def test_what_is_said_of_the_nodes() -> None:
    one, other = (await asked())["nodes"]
    assert one == {
        "node": "n:26657",
        "state": "answering",
        "chain_id": "made",
        "height": 12,
        "oldest": 1,
        "requests_per_second": 5.0,
        "resting_seconds": 0.0,
        "silent_seconds": 0.25,
        "answers": 40,
        "troubles": {"NoAnswer": 2},
        "trouble": "",
    }
    assert (other["chain_id"], other["height"], other["silent_seconds"]) == (None,) * 3


async def test_before_anything_is_known() -> None:
    said = await asked(log=EMPTY, follower=FollowerStatistics((), 0, ""))
    for member in ("chain_id", "height", "block_time", "oldest"):
        assert said[member] is None
    assert said["behind"] == {"blocks": 0, "seconds": 0.0}
    assert said["seeking"]["height"] is None


@pytest.mark.parametrize(
    ("tip", "now", "behind"), [(9, 2_000, 0.0), (10, 1_002, 1.5), (10, 900, 0.0)]
)
def test_how_old_the_newest_block_is_if_there_are_newer_ones(
    tip: int, now: float, behind: float
) -> None:
    assert seconds_behind(SUMMARY, tip, now) == behind


def test_how_old_a_gap_is_is_not_known() -> None:
    assert seconds_behind(SUMMARY._replace(block_time=None), 12, 2_000) is None


def test_the_same_in_a_few_words() -> None:
    assert status().summary() == (
        "block 9 of 12; 1 of 2 nodes have answered; 1 subscriber"
    )
    at_the_tip = FOLLOWER._replace(nodes=FOLLOWER.nodes[1:])
    assert status(follower=at_the_tip).summary().startswith("block 9; 0 of 1 nodes")


async def test_the_manual_shows_what_is_said() -> None:
    (shown,) = [
        json.loads(block)
        for block in manual.blocks("json", manual.PAGES["api"])
        if '"kind": "follower"' in block
    ]
    said = await asked()
    assert list(shown) == list(said)
    for member in ("behind", "seeking", "subscribers"):
        assert list(shown[member]) == list(said[member])
    assert list(shown["nodes"][0]) == list(said["nodes"][0])
