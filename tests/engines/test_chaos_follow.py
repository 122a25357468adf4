"""A short run of the program that kills a follower and its node."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from scripts.chaos_follow import main, run_chaos
from scripts.chaos_follow_clients import (
    FollowedBlock,
    FollowWish,
    KnownEvent,
    KnownTransaction,
    fact,
)
from scripts.engines import build
from scripts.engines.build import Release

ENGINES = [build.DEFAULT]

KEY = KnownEvent("app", (("creator", "me"), ("key", "key7")))
VALUE = KnownEvent("app", (("creator", "you"), ("key", "1")))
BLOCKS = [
    FollowedBlock(1, "AA", []),
    FollowedBlock(2, "BB", [KnownTransaction("T", 0, (KEY, VALUE))]),
    FollowedBlock(3, "CC", [KnownTransaction("U", 1, (VALUE,))]),
]


def test_what_a_subscriber_is_owed_follows_from_the_blocks() -> None:
    seven = {"query": "app.key CONTAINS '7'"}
    for wish, owed in (
        (
            FollowWish("transactions"),
            [fact(2, 0, "T", 0, (KEY, VALUE)), fact(3, 0, "U", 1, (VALUE,))],
        ),
        (
            FollowWish("transactions", filters=seven, key="7"),
            [fact(2, 0, "T", 0, (KEY, VALUE))],
        ),
        (
            FollowWish("blocks"),
            [fact(1, "AA", 0, ()), fact(2, "BB", 1, ()), fact(3, "CC", 1, ())],
        ),
        (FollowWish("events", filters=seven, key="7"), [fact(2, 0, "T", 0, KEY)]),
    ):
        assert list(wish.owed(BLOCKS)) == owed


def test_a_message_states_what_is_owed() -> None:
    events = [
        {
            "type": each.type,
            "attributes": [{"key": key, "value": value} for key, value in each[1]],
        }
        for each in (KEY, VALUE)
    ]
    place = {"height": 2, "index": 0, "tx_hash": "T"}
    stated = FollowWish("transactions").fact({**place, "code": 0, "events": events})
    assert [stated] == list(FollowWish("transactions").owed(BLOCKS[:2]))
    wish = FollowWish("events")
    numbered = [
        wish.fact({**place, "event_index": number, **event})
        for number, event in enumerate(events)
    ]
    assert numbered == list(wish.owed(BLOCKS[:2]))


@pytest.mark.slow
@pytest.mark.engine
async def test_nothing_is_lost_when_the_follower_and_its_node_are_killed(
    engine: Release, tmp_path: Path
) -> None:
    with trio.fail_after(600):
        said = await run_chaos(
            tmp_path, seed=7, kills=3, node_kills=1, clients=7, engine=engine.name
        )
    assert "3 kills of the follower and 1 of cometbft" in said
    assert "none was lost, none repeated, none out of order" in said
    assert said.endswith("its log is whole")


def test_an_unknown_engine_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--engine", "cometbft-0.38", "--seed", "1"]) == 1
    assert capsys.readouterr().err.startswith("chaos: 'cometbft-0.38' is neither")
