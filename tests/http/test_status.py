"""The state of the node, as those who know it say."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import trio

from trio_stream import __version__
from trio_stream.abci.messages import Time
from trio_stream.channel.tally import NewestBlock
from trio_stream.engine.places import EngineSeen, PlacesStatistics
from trio_stream.engine.sync_status import EngineStatus
from trio_stream.http.status import NodeStatus
from trio_stream.ledger.moving import Ended
from trio_stream.stream.admission import Admission, Door

TIME = Time(1_577_836_800, 123_456_789)
AWAY = PlacesStatistics(0, 0, None, math.inf)
THERE = PlacesStatistics(4, 0, EngineSeen("C38", "0.38.1"), 0.0)


class Those:
    """Who know."""

    def __init__(
        self, chain: str, says: EngineStatus | None, ended: Ended | None
    ) -> None:
        self.chain_id = chain
        self.says = says
        self.ended = ended

    async def newest(self) -> EngineStatus | None:
        await trio.lowlevel.checkpoint()
        return self.says


def status_of(
    newest: NewestBlock,
    door: PlacesStatistics,
    says: EngineStatus | None = None,
    *,
    chain: str = "a-chain",
    subscribers: int = 1,
    ended: Ended | None = None,
) -> NodeStatus:
    admission = Admission()
    for _ in range(subscribers):
        admission.enter("a", Door.SSE)
    who = Those(chain, says, ended)
    return NodeStatus(
        chain=who,
        newest=lambda: newest,
        door=lambda: door,
        engine=who,
        subscribers=admission.statistics,
    )


@pytest.mark.parametrize(
    ("door", "subscribers", "said"),
    [
        (THERE, 1, "block 7; an engine (C38) is connected; 1 subscriber"),
        (AWAY, 2, "block 7; no engine is connected; 2 subscribers"),
    ],
)
def test_all_in_a_few_words(
    door: PlacesStatistics, subscribers: int, said: str
) -> None:
    status = status_of(NewestBlock(7, TIME), door, subscribers=subscribers)
    assert status.summary() == said


async def answered(*given: Any, **more: Any) -> Any:
    answer = await status_of(*given, **more).answer(b"")
    assert answer.status == 200 and answer.content_type == "application/json"
    return json.loads(answer.body)


async def test_all_that_is_known() -> None:
    says = EngineStatus(9, True, "0.38.26")
    assert await answered(NewestBlock(7, TIME), THERE, says) == {
        "version": __version__,
        "chain_id": "a-chain",
        "height": 7,
        "block_time": "2020-01-01T00:00:00.123Z",
        "engine": {
            "connected": True,
            "height": 9,
            "catching_up": True,
            "dialect": "C38",
            "version": "0.38.26",
        },
        "subscribers": {"websocket": 0, "sse": 1, "poll": 0},
        "ended": None,
    }


@pytest.mark.parametrize(
    ("migrated_at", "shown", "name", "cause"),
    [
        (7, 7, "a-chain-migrated-at-height-6", "was migrated at height 7"),
        (0, None, "a-chain-migrated-at-height-7", "was imported up to height 7"),
    ],
)
async def test_a_chain_that_has_ended_says_why(
    migrated_at: int, shown: int | None, name: str, cause: str
) -> None:
    ended = Ended("a-chain", 7, migrated_at)
    state = await answered(NewestBlock(7, TIME), THERE, ended=ended)
    message = state["ended"].pop("message")
    assert cause in message and "trio-stream help moving" in message
    assert state["ended"] == {"height": 7, "migrated_at": shown, "next_chain_id": name}
    summary = status_of(NewestBlock(7, TIME), THERE, ended=ended).summary()
    assert summary.endswith("1 subscriber; the chain has ended")


async def test_nothing_is_known() -> None:
    state = await answered(NewestBlock(0, Time(0, 0)), AWAY, chain="")
    assert state["chain_id"] is None
    assert (state["height"], state["block_time"]) == (0, None)
    assert state["engine"] == {
        "connected": False,
        "height": None,
        "catching_up": None,
        "dialect": None,
        "version": None,
    }


async def test_an_engine_that_does_not_answer_has_said_its_release_at_the_door() -> (
    None
):
    state = await answered(NewestBlock(7, TIME), THERE)
    assert state["engine"]["version"] == "0.38.1"
    assert state["engine"]["height"] is None


@pytest.mark.parametrize("seconds", [-62135596800, -(2**63), 2**63 - 1])
async def test_any_time_of_a_block_can_be_written(seconds: int) -> None:
    state = await answered(NewestBlock(7, Time(seconds, 0)), AWAY)
    assert state["block_time"] == "0001-01-01T00:00:00.000Z"
