from __future__ import annotations

from tests.follower.memory import MemoryLog
from trio_stream.cometbft.followed import FollowedChain, FollowedTip, Gap
from trio_stream.follower.writer import FollowedLog


def test_the_log_of_the_tests_is_one() -> None:
    log: FollowedLog = MemoryLog()
    assert log.chain() is None
    log.begin(FollowedChain("c", 5))
    assert log.chain() == FollowedChain("c", 5)
    assert log.tip() == FollowedTip(4, None)
    assert log.last() is None
    assert log.gap(Gap(5, 8, "pruned", "")) == FollowedTip(8, None)
