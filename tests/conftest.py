"""What more than one test file uses."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from trio.testing import MockClock

VECTORS = Path(__file__).parent / "vectors"
"""Recorded facts of the reference: transactions, chains, wire messages, answers."""

# A busy machine is no fault of the code: examples have no deadline, and may be slow to make.
settings.register_profile(
    "trio_stream", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# For runs that leave out what is slow; other examples come up in each of them.
settings.register_profile("quick", settings.get_profile("trio_stream"), max_examples=40)
settings.load_profile("trio_stream")


def pytest_configure(config: pytest.Config) -> None:
    if "not slow" in config.getoption("markexpr"):
        settings.load_profile("quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share engines, drivers or the machine's time run one by one, in one process."""
    for item in items:
        if any(map(item.get_closest_marker, ("engine", "interop", "slow"))):
            item.add_marker(pytest.mark.xdist_group("one by one"))


def pytest_collection_finish() -> None:
    """What is there by now stays to the end: full collections look at what is new alone."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def patient_clock() -> MockClock:
    """Jumps as `autojump_clock` does, but gives what is on its way through the kernel time."""
    return MockClock(autojump_threshold=0.05)
