"""Nodes that lie, lag or hold still beside honest ones: nothing wrong is stored, and it goes on."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.follower.chain import MadeChain
from tests.follower.fake_node import Answer, FakeNode
from tests.follower.following import following
from tests.follower.test_follower import equal, evil
from tests.follower.wires import http


def three(last: int = 8) -> tuple[MadeChain, list[FakeNode]]:
    chain = MadeChain(last)
    return chain, [FakeNode(chain) for _ in range(3)]


@pytest.mark.parametrize("is_down", [False, True])
async def test_where_two_disagree_a_third_is_waited_for(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, is_down: bool
) -> None:
    chain, (late, _, liar) = nodes = three()
    liar.special = evil(chain)
    # Nobody hears of its blocks, so it has to be asked.
    late.has_websocket = False
    if is_down:
        late.special = lambda *_: http(b"", "503 Service Unavailable")
    else:
        late.tip = 3
    async with following(*nodes[1], agree=2) as followed:
        await followed.reaches(3)
        await trio.sleep(200)
        assert followed.log.heights == [1, 2, 3]
        assert "they differ" in followed.follower.statistics().trouble
        late.tip, late.special = None, lambda *_: None
        await followed.reaches(8, 1000)
        assert equal(followed.log, chain)
    (said,) = (each for each in caplog.messages if "outvoted" in each)
    assert said.startswith("block 4: n2 is outvoted: ")


async def test_a_node_that_is_missing_to_agree_is_named_as_trouble(
    autojump_clock: MockClock,
) -> None:
    chain, (honest, late, _) = three()
    late.tip = 3
    async with following(honest, late, agree=2) as followed:
        await followed.reaches(3)
        await trio.sleep(5)
        assert followed.follower.statistics().trouble == ""
        await trio.sleep(20)
        text = "2 nodes must agree on it, and so far 1 said what it did"
        assert followed.follower.statistics().trouble == text
        late.tip = None
        await followed.reaches(8, 100)
        assert followed.follower.statistics().trouble == ""


@pytest.mark.slow
@pytest.mark.parametrize("agree", [1, 2])
@pytest.mark.parametrize("allow_gaps", [False, True])
async def test_one_that_says_too_much_of_its_height_makes_no_gap(
    autojump_clock: MockClock, agree: int, allow_gaps: bool
) -> None:
    chain, nodes = three()
    liar = nodes[2]
    async with following(*nodes, agree=agree, allow_gaps=allow_gaps) as followed:
        await followed.reaches(8)
        liar.chain = MadeChain(200)
        liar.lowest = 100
        await liar.announce()
        await trio.sleep(800)
        assert followed.stopped is None
        assert "Pruned" in followed.follower.statistics().trouble
        assert followed.log.tip().height == 8
        chain.grow()
        await followed.reaches(9, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("agree", [1, 2])
async def test_one_with_another_history_ends_nothing(
    autojump_clock: MockClock, agree: int
) -> None:
    chain, nodes = three()
    liar = nodes[2]
    async with following(*nodes, agree=agree) as followed:
        await followed.reaches(8)
        liar.chain = MadeChain(20, salt="x")
        await liar.announce()
        await trio.sleep(800)
        assert followed.stopped is None
        chain.grow()
        await followed.reaches(9, 1000)
        assert equal(followed.log, chain)


@pytest.mark.slow
async def test_one_word_is_not_enough_where_two_must_agree(
    autojump_clock: MockClock,
) -> None:
    chain, nodes = three()
    async with following(*nodes, agree=2, allow_gaps=True) as followed:
        await followed.reaches(8)
        chain.grow()
        nodes[2].lowest = 50
        for each in nodes[:2]:
            each.special = lambda *_: http(b"", "503 Service Unavailable")
        await nodes[2].announce()
        await trio.sleep(1000)
        assert followed.log.tip().height == 8 and followed.stopped is None
        for each in nodes[:2]:
            each.special = lambda *_: None
        await followed.reaches(9, 1000)


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("does", ["hangs", "flaps", "answers of other heights"])
async def test_two_agree_whatever_the_third_does(
    autojump_clock: MockClock, does: str, at: int
) -> None:
    chain, nodes = three(20)
    odd = nodes[at]
    calls = 0

    def special(method: str, height: int) -> Answer | bytes | None:
        nonlocal calls
        calls += 1
        if does == "flaps":
            return http(b"", "503 Service Unavailable") if calls % 3 else None
        if method == "block_results":
            return {"result": chain.results[height % 20 + 1]}
        return None

    if does == "hangs":
        odd.takes = 1e9
    else:
        odd.special = special
    async with following(*nodes, agree=2) as followed:
        await followed.reaches(20, 10_000)
        assert equal(followed.log, chain)
