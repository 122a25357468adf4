"""What a follower's doors serve: opened from its settings, and closed again."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.log.followed.made import CHAIN, made, transfer
from trio_stream.cometbft.events import Spelling
from trio_stream.config import FollowConfig
from trio_stream.config.following_values import Bounds
from trio_stream.follower.introduction import FollowSettings
from trio_stream.log.errors import LogInUse, LogOfOtherKind
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.writer import CommitLog
from trio_stream.node.following_core import (
    node_settings_of,
    open_follow_core,
    settings_of,
)

URL = "http://127.0.0.1:9"


def config(home: Path, **more: object) -> FollowConfig:
    return FollowConfig(home=home, node=(URL,), **more)  # type: ignore[arg-type]


async def test_the_directory_is_free_again_once_all_is_closed(tmp_path: Path) -> None:
    for _ in range(2):
        async with AsyncExitStack() as stack:
            core = open_follow_core(config(tmp_path), stack)
            assert (await core.reader.tip()).height == 0
            async with AsyncExitStack() as other:
                with pytest.raises(LogInUse):
                    open_follow_core(config(tmp_path), other)


async def test_a_node_s_log_is_refused_and_the_other_way_round(tmp_path: Path) -> None:
    CommitLog.open(tmp_path / "node").close()
    FollowedLog.open(tmp_path / "followed").close()
    async with AsyncExitStack() as stack:
        with pytest.raises(LogOfOtherKind, match="a node's log .*another --home"):
            open_follow_core(config(tmp_path / "node"), stack)
    with pytest.raises(LogOfOtherKind, match="a follower's log"):
        CommitLog.open(tmp_path / "followed")


async def test_a_new_log_says_where_it_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with AsyncExitStack() as stack:
        open_follow_core(config(tmp_path, from_=7), stack)
    assert caplog.messages == [f"a new log in {tmp_path}, from 7 on"]


@pytest.mark.parametrize(
    ("place", "warns"), [("tip", 0), ("earliest", 0), (CHAIN.first, 0), (9, 1)]
)
async def test_a_log_that_is_there_goes_on_wherever_a_new_one_would_begin(
    place: str | int, warns: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FollowedLog.open(tmp_path) as log:
        log.begin(CHAIN)
        log.append(made(5))
    caplog.set_level(logging.INFO)
    async with AsyncExitStack() as stack:
        open_follow_core(config(tmp_path, from_=place), stack)
    said, *warnings = caplog.messages
    assert (
        said == "going on with 'cosmoshub-4' after block 5; its log begins at block 5"
    )
    assert len(warnings) == warns
    assert all("from = 9 is only for a new log" in each for each in warnings)


@pytest.mark.parametrize(
    ("asked", "types", "keys"),
    [
        ("flagged", {"transfer"}, {"transfer.recipient": 0, "transfer.amount": 0}),
        ("all", {"transfer"}, {"transfer.recipient": 0, "transfer.amount": 0}),
        ("none", set(), {}),
        (
            ("transfer.amount",),
            {"transfer"},
            {"transfer.recipient": 1, "transfer.amount": 0},
        ),
    ],
)
async def test_what_is_indexed(
    asked: str | tuple[str, ...],
    types: set[str],
    keys: dict[str, int],
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        core = open_follow_core(config(tmp_path, index_keys=asked), stack)
        core.log.begin(CHAIN)
        core.log.append(made(5, [transfer("me")]))
        connection = core.log.connection
        rows = connection.execute("SELECT name, partial FROM keys")
        assert {name: partial for name, partial in rows} == keys
        found = connection.execute("SELECT DISTINCT type FROM v1_event_types")
        assert {kind for (kind,) in found} == types


async def test_what_is_kept(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        keep = Bounds(blocks=2, text="2 blocks")
        core = open_follow_core(config(tmp_path, keep=keep), stack)
        core.log.begin(CHAIN)
        for height in range(5, 10):
            core.log.append(made(height))
        while core.log.prune():
            pass
        assert (await core.reader.landmarks(None)).oldest == 8


def test_how_nodes_are_asked(tmp_path: Path) -> None:
    settings = node_settings_of(config(tmp_path))
    assert (settings.rate, settings.in_flight, settings.spelling) == (None, 4, None)
    given = {"rate": 7.0, "in_flight": 9, "answer_bytes": 1 << 20}
    settings = node_settings_of(config(tmp_path, attributes="base64", **given))
    assert (settings.rate, settings.in_flight) == (7.0, 9)
    assert settings.body_limit == 1 << 20
    assert settings.spelling is Spelling.BASE64


def test_how_the_chain_is_followed(tmp_path: Path) -> None:
    assert settings_of(config(tmp_path)) == FollowSettings()
    given = {"from_": 5, "allow_gaps": True, "confirm": 1, "agree": 2}
    assert settings_of(
        config(tmp_path, in_flight=2, data_hashes=False, **given)
    ) == FollowSettings(
        start=5, allow_gaps=True, confirm=1, agree=2, data_hashes=False, in_flight=2
    )


async def test_what_is_stored_is_announced_to_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    heights: list[int] = []
    async with AsyncExitStack() as stack:
        core = open_follow_core(config(tmp_path), stack)
        core.announced.append(heights.append)
        core.log.begin(CHAIN)
        core.committed(core.log.append(made(5)))
        core.follower.nodes[0].saw(1_000)
        core.committed(core.log.append(made(6)))
    assert heights == [5, 6]
    # No line for each of thousands of blocks that come at once.
    assert "height 5 is committed" in caplog.messages
    assert "height 6 is committed" not in caplog.messages
