from __future__ import annotations

from trio_stream.follower.troubles import Overworked, Unobtainable


def test_texts() -> None:
    assert str(Overworked("status 429", 3.0)) == "status 429"
    stopped = Unobtainable("no node has block 5", "give another", "pruned")
    assert str(stopped) == "no node has block 5 (give another)"
    assert stopped.reason == "pruned"
