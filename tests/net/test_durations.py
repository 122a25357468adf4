"""Durations, counted by how long they are."""

from __future__ import annotations

import pytest

from trio_stream.net.durations import BOUNDS, Durations


def test_nothing_has_been_done_yet() -> None:
    found = Durations().distribution()
    assert found.up_to == (0,) * (len(BOUNDS) + 1)
    assert found.total == 0


def test_each_is_counted_up_to_its_bound_and_beyond() -> None:
    durations = Durations()
    for seconds in (0.0, 0.001, 0.0011, 10.0, 11.0):
        durations.add(seconds)
    found = durations.distribution()
    at = dict(zip(BOUNDS, found.up_to, strict=False))
    assert (at[0.0001], at[0.001], at[0.0025], at[5.0], at[10.0]) == (1, 2, 3, 3, 4)
    assert found.up_to[-1] == 5
    assert found.total == pytest.approx(21.0021)
