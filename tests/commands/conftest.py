"""Commands that run a daemon set things for the whole process."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator

import pytest
import trio

from trio_stream.commands import running
from trio_stream.config import DoorSettings


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the command sets for the whole process is set back after the test."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    # It could not be told from what all tests have frozen: tests/conftest.py.
    monkeypatch.setattr(gc, "freeze", lambda: None)
    loggers = [
        logging.getLogger(name)
        for name in ("", "trio.serve_listeners", "trio-websocket", "hypercorn", "quart")
    ]
    levels = [(each, each.level, each.filters[:]) for each in loggers]
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    for each, level, filters in levels:
        each.setLevel(level)
        each.filters[:] = filters


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch, process: None) -> None:
    """A daemon may be started here; the limit of open files stays what it is."""
    monkeypatch.setattr(running, "fit", lambda config, **_: config)


@pytest.fixture
def ran(
    monkeypatch: pytest.MonkeyPatch, starting: None
) -> list[tuple[object, DoorSettings]]:
    """What was run, with which settings; none of it really runs."""
    started: list[tuple[object, DoorSettings]] = []
    monkeypatch.setattr(
        trio, "run", lambda main, config: started.append((main, config))
    )
    return started
