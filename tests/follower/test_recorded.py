"""What nodes of ten releases and two SDK chains really answered is followed; corrupt is refused."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.cometbft import recordings
from tests.cometbft.recordings import ALL, CORRUPT, LEGACY, answer, at, busy, chain_id
from tests.follower.chain import MadeChain
from tests.follower.fake_node import Answer, FakeNode
from tests.follower.following import following, stops
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.follower.troubles import Unobtainable

OLD = "sdk046_cmt0.34.29"


def replaying(name: str, instead: str | None = None) -> FakeNode:
    """A node that has the recorded blocks, and perhaps other results of the first."""
    first = busy(name)
    chain = MadeChain(first + 1, first=first, chain_id=chain_id(name))
    node = FakeNode(chain)

    def special(method: str, height: int) -> Answer | None:
        if method == "commit":
            raise AssertionError("the block was there")
        if method in ("status", "health"):
            return None
        if instead is not None and (method, height) == ("block_results", first):
            return {"result": answer(name, instead)}
        if at(method, height, name) not in recordings.recording(name)["bodies"]:
            # Not recorded: as if the node still executed it.
            node.executing.add(height)
            return None
        return {"result": answer(name, at(method, height, name))}

    node.special = special
    return node


@pytest.mark.parametrize("name", ALL)
async def test_recorded_blocks(name: str, autojump_clock: MockClock) -> None:
    first = busy(name)
    async with following(replaying(name), start=first) as followed:
        await followed.reaches(first)
        stored = followed.log.entries[0]
        assert isinstance(stored, FollowedBlock)
        assert stored.block == recordings.block(name, first)
        assert stored.results == recordings.results(name, first)
        assert stored.block.txs


async def test_a_record_of_before_an_upgrade(autojump_clock: MockClock) -> None:
    async with following(replaying(OLD, LEGACY), start=9) as followed:
        await followed.reaches(9)


async def test_a_misread_record_is_refused_by_name(autojump_clock: MockClock) -> None:
    async with following(replaying(OLD, CORRUPT), start=9) as followed:
        text = await stops(followed, Unobtainable)
        assert "NonsenseResults" in text and "misreads its record" in text
        assert not followed.log.entries
    good = replaying(OLD)
    async with following(replaying(OLD, CORRUPT), good, start=9) as followed:
        await followed.reaches(9)
