"""What tests of the channel change in it."""

import pytest

from trio_stream.channel import waiters


@pytest.fixture
def resting_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes that let all other tasks run after each waiter."""
    monkeypatch.setattr(waiters, "_PASS_SECONDS", -1.0)
    monkeypatch.setattr(waiters, "_LOOK_EVERY", 1)
