from __future__ import annotations

import pytest
import trio

from trio_stream.follower.pace import (
    FIRST_PAUSE,
    LOCAL_RATE,
    LONGEST_PAUSE,
    LONGEST_RETRY_AFTER,
    LOWEST,
    PUBLIC_RATE,
    Pace,
    default_rate,
)


async def test_turns_come_at_the_rate(autojump_clock: trio.abc.Clock) -> None:
    pace = Pace(5)
    start = trio.current_time()
    for _ in range(55):
        await pace.turn()
    assert trio.current_time() - start == pytest.approx(10)


async def test_a_slow_rate_gives_one_turn_at_once(
    autojump_clock: trio.abc.Clock,
) -> None:
    pace = Pace(0.5)
    start = trio.current_time()
    await pace.turn()
    assert trio.current_time() == start
    await pace.turn()
    assert trio.current_time() - start == pytest.approx(2)


async def test_too_much_halves_the_rate_and_good_answers_restore_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    pace = Pace(8)
    pace.too_much()
    assert pace.rate == 4
    assert pace.resting == pytest.approx(FIRST_PAUSE)
    for _ in range(100):
        pace.too_much()
    assert pace.rate == LOWEST
    assert pace.resting == pytest.approx(LONGEST_PAUSE)
    for _ in range(100):
        pace.well()
    assert pace.rate == 8
    pace.trouble()
    assert pace.rate == 8
    await pace.turn()


async def test_retry_after_is_obeyed_within_reason(
    autojump_clock: trio.abc.Clock,
) -> None:
    pace = Pace(8)
    pace.too_much(retry_after=17)
    start = trio.current_time()
    await pace.turn()
    assert trio.current_time() - start == pytest.approx(17)
    pace.too_much(retry_after=1e9)
    assert pace.resting == pytest.approx(LONGEST_RETRY_AFTER)


def test_how_often_nodes_are_asked() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        assert default_rate(host) == LOCAL_RATE
    for host in ("10.0.0.1", "rpc.example"):
        assert default_rate(host) == PUBLIC_RATE
