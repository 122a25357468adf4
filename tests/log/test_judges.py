"""Threads that judge expensive posts rest between signatures; cheap posts have no such thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from scripts.bench.dear_transactions import dear_create
from scripts.signing import create, encode
from tests.ledger.chains import ALICE
from trio_stream.log.judges import DEAR, PIECE, Judges
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.fulfillments import PAUSE

SIGNATURES = 20


class Clock:
    """Each look at it takes some time."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.time = 0.0
        self.rests: list[float] = []

    def now(self) -> float:
        self.time += self.step
        return self.time

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock(PIECE / 2)


@pytest.fixture
def judges(clock: Clock) -> Iterator[Judges]:
    judges = Judges(1, now=clock.now, sleep=clock.sleep)
    yield judges
    judges.close()


def test_a_judge_rests_for_as_long_as_it_worked(judges: Judges, clock: Clock) -> None:
    raw = dear_create(ALICE, signatures=SIGNATURES, prefix_bytes=1000)
    candidate = Candidate(raw, b"")
    assert judges.run(lambda: candidate.is_fulfilled(0), cost=DEAR + 1)
    # Two looks are a piece; one more is what is looked at behind the rest.
    assert len(clock.rests) == pytest.approx(SIGNATURES / 2, abs=1)
    assert sum(clock.rests) >= sum(clock.rests[:1]) * len(clock.rests) >= PIECE
    assert PAUSE.get() is None


def test_many_inputs_have_rests_between_them(judges: Judges, clock: Clock) -> None:
    raw = encode(create(ALICE))
    candidates = [Candidate(raw, b"") for _ in range(SIGNATURES)]

    def judge() -> None:
        for candidate in candidates:
            candidate.is_fulfilled(0)

    judges.run(judge, cost=DEAR + 1)
    assert len(clock.rests) == pytest.approx(SIGNATURES / 2, abs=1)


def test_what_is_cheap_is_judged_on_the_spot(judges: Judges, clock: Clock) -> None:
    candidate = Candidate(encode(create(ALICE)), b"")
    here = threading.get_ident()
    assert judges.run(threading.get_ident, cost=DEAR) == here
    assert judges.run(threading.get_ident, cost=DEAR + 1) != here
    judges.run(lambda: candidate.is_fulfilled(0), cost=DEAR)
    assert clock.rests == []


def test_what_a_judge_raises_comes_out(judges: Judges) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        judges.run(fail, cost=DEAR + 1)
    assert judges.run(lambda: 1, cost=DEAR + 1) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority there")
def test_its_thread_gives_way_and_no_other_does(judges: Judges) -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = nice()
    assert judges.run(nice, cost=DEAR + 1) == max(before, 10)
    assert nice() == before


def test_elsewhere_no_priority_is_touched(
    monkeypatch: pytest.MonkeyPatch, judges: Judges
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    def setpriority(*args: int) -> None:
        raise AssertionError(args)

    monkeypatch.setattr(os, "setpriority", setpriority)
    assert judges.run(lambda: 7, cost=DEAR + 1) == 7
