from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.access import rates
from trio_stream.access.rates import BURST_SECONDS, Rate


def allowed(rate: Rate, now: float, address: str = "a", most: int = 1_000) -> int:
    """How many are allowed at this instant."""
    for number in range(most):
        if rate.wait(address, now):
            return number
        rate.count(address, 1, now)
    return most


def test_a_burst_and_then_the_rate() -> None:
    rate = Rate(10)
    assert allowed(rate, 0) == 10 * BURST_SECONDS
    assert rate.wait("a", 0) == 1
    assert allowed(rate, 0, "b") == 10 * BURST_SECONDS
    assert allowed(rate, 1) == 10
    assert allowed(rate, 100) == 10 * BURST_SECONDS


def test_even_the_lowest_rate_allows_something() -> None:
    rate = Rate(1)
    assert allowed(rate, 0) == BURST_SECONDS
    assert rate.wait("a", 0) == 1
    assert allowed(rate, 0.5) == 1
    assert allowed(rate, 1) == 0 and rate.wait("a", 1) == 1
    assert allowed(rate, 2) == 1


def test_a_large_amount_is_allowed_and_waited_for_afterwards() -> None:
    rate = Rate(100)
    assert rate.wait("a", 0) == 0
    rate.count("a", 10_000, 0)
    assert rate.wait("a", 0) == 96
    assert rate.wait("a", 90) == 6
    assert rate.wait("a", 96) == 0


def test_what_is_over_is_forgotten() -> None:
    rate = Rate(1)
    for number in range(100):
        rate.count(str(number), 1, number / 100)
    assert len(rate) == 100
    rate.count("late", 1, 3)
    assert len(rate) == 1


def test_of_too_many_addresses_the_oldest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "MOST_ADDRESSES", 3)
    rate = Rate(1)
    for address in ("a", "b", "a", "c", "d"):
        rate.count(address, 100, 0)
    assert len(rate) == 3
    assert rate.wait("b", 0) == 0 and rate.wait("a", 0) > 0


@given(st.lists(st.floats(0, 20), min_size=1), st.integers(1, 50))
def test_no_time_has_more_than_the_rate_and_a_burst(
    times: list[float], per_second: int
) -> None:
    rate, taken = Rate(per_second), list[float]()
    for now in sorted(times * 5):
        if not rate.wait("a", now):
            rate.count("a", 1, now)
            taken.append(now)
    for start in taken:
        since = [each for each in taken if each >= start]
        assert len(since) <= per_second * (BURST_SECONDS + since[-1] - start) + 1
