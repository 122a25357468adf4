"""An operator is told once that nodes fell silent, and once that they answer again."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.following import following
from tests.follower.wires import http
from trio_stream.follower.silence import PATIENCE, Silence


async def test_a_short_silence_is_not_worth_a_line(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    silence = Silence()
    for _ in range(3):
        silence.goes_on("away")
        await trio.sleep(PATIENCE * 0.9)
        silence.ends()
    assert not caplog.messages


async def test_a_long_one_is_two(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    silence = Silence()
    for _ in range(9):
        silence.goes_on("away")
        await trio.sleep(PATIENCE / 2)
    for _ in range(3):
        silence.ends()
    assert caplog.messages == [
        "no node has answered for 10 s, and it is asked on: away",
        "nodes answer again, after 45 s",
    ]


async def test_a_follower_says_that_its_node_went_away(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    chain = MadeChain(3)
    node = FakeNode(chain)
    async with following(node) as followed:
        await followed.reaches(3)
        node.special = lambda *_: http(b"", "503 Service Unavailable")
        await trio.sleep(300)
        node.special = lambda *_: None
        chain.grow()
        await followed.reaches(4)
        # The question that found it may be a block's.
        await trio.sleep(300)
    said = [each for each in caplog.messages if "node" in each and "answer" in each]
    assert [each[:12] for each in said] == ["no node has ", "nodes answer"]
