from __future__ import annotations

import pytest

from trio_stream.cometbft import errors
from trio_stream.follower.troubles import (
    ContradictsStored,
    NoAnswer,
    Overworked,
    Unreachable,
)
from trio_stream.follower.verdicts import Fate, verdict

CASES = [
    (errors.HeightInFuture("x"), 9, Fate.NOT_YET, None),
    (errors.ResultsNotThere("x"), 5, Fate.NOT_YET, None),
    (errors.ResultsNotThere("x"), 6, Fate.NEVER, "results_missing"),
    (errors.BlockNotThere("x"), 6, Fate.NEVER, "pruned"),
    (errors.Pruned("x"), 6, Fate.NEVER, "pruned"),
    (errors.ResultsDiscarded("x"), 6, Fate.NEVER, "discarded"),
    (errors.BrokenRecord("x"), 6, Fate.NEVER, "broken_record"),
    (errors.TooLarge("x"), 6, Fate.NEVER, "too_large"),
    (errors.OtherChain("x"), 6, Fate.OTHER_CHAIN, None),
    (errors.BrokenLink("x"), 6, Fate.FORK, None),
    (ContradictsStored("x"), 6, Fate.CONTRADICTION, None),
    (errors.DataHashMismatch("x"), 6, Fate.NEVER, "corrupt"),
    (errors.OtherHeight("x"), 6, Fate.NEVER, "corrupt"),
    (errors.NonsenseResults("x"), 6, Fate.NEVER, "corrupt"),
    (errors.Truncated("x"), 6, Fate.CUT, None),
    (NoAnswer("x"), 6, Fate.CUT, None),
    (Overworked("x"), 6, Fate.AGAIN, None),
    (Unreachable("x"), 6, Fate.AGAIN, None),
    (errors.NotJson("x"), 6, Fate.AGAIN, None),
    (errors.Refusal("rate limit"), 6, Fate.AGAIN, None),
]


@pytest.mark.parametrize(("error", "tip", "fate", "reason"), CASES)
def test_what_follows_from_an_error(
    error: Exception, tip: int, fate: Fate, reason: str | None
) -> None:
    found = verdict(error, height=5, tip=tip)
    assert (found.fate, found.reason) == (fate, reason)
    assert found.detail.startswith(f"{type(error).__name__}: ")
