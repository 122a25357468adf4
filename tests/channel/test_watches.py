from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.memory_log import MemoryLog, event, refusal, sha256
from trio_stream.channel.watches import TooManyWatches, Watch, Watches


async def outcome_of(watch: Watch) -> object:
    with trio.fail_after(60):
        return await watch.wait()


async def test_a_watch_reports_that_a_transaction_was_committed_or_refused() -> None:
    log, watches = MemoryLog(), Watches()
    log.commit(2, refused=[1])
    with watches.watch(sha256(1, 0)) as accepted, watches.watch(
        sha256(1, 1)
    ) as refused:
        watches.decide(log.blocks)

        assert await outcome_of(accepted) == event(1, 0)
        assert await outcome_of(refused) == refusal(1, 1)


async def test_the_first_of_several_outcomes_counts() -> None:
    log, watches = MemoryLog(), Watches()
    log.commit(1)
    log.blocks.append(
        log.blocks[0]._replace(height=2, refused=(refusal(1, 0),), events=())
    )
    with watches.watch(sha256(1, 0)) as watch:
        watches.decide(log.blocks)
        watches.end()

        assert await outcome_of(watch) == event(1, 0)


async def test_several_may_watch_for_the_same_transaction(
    autojump_clock: MockClock,
) -> None:
    log, watches = MemoryLog(), Watches()
    log.commit(1)
    with watches.watch(sha256(1, 0)) as one:
        with watches.watch(sha256(1, 0)) as other:
            assert len(watches) == 2
        assert len(watches) == 1
        watches.decide(log.blocks)

        assert await outcome_of(one) == event(1, 0)
        with pytest.raises(trio.TooSlowError):
            await outcome_of(other)


async def test_other_transactions_decide_nothing(autojump_clock: MockClock) -> None:
    log, watches = MemoryLog(), Watches()
    log.commit(1)
    watches.decide(log.blocks)
    with watches.watch(sha256(9, 9)) as watch:
        watches.decide(log.blocks)
        with pytest.raises(trio.TooSlowError):
            await outcome_of(watch)
    assert not watches


def test_watches_have_a_limit() -> None:
    watches = Watches(at_most=1)
    with watches.watch(b"a"):
        with pytest.raises(TooManyWatches):
            with watches.watch(b"b"):
                raise AssertionError("one too many")
    with watches.watch(b"c"):
        pass


async def test_a_watch_ends_with_the_channel() -> None:
    watches = Watches()
    with watches.watch(b"a") as watch:
        watches.end()
        with pytest.raises(trio.EndOfChannel):
            await outcome_of(watch)
