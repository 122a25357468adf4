from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from tests.follower.following import inline
from trio_stream.cometbft import errors
from trio_stream.cometbft.followed import Gap
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.follower.searches import (
    AGAIN_FIRST,
    AGAIN_LONGEST,
    EXECUTED_FIRST,
    EXECUTED_LONGEST,
    Search,
)
from trio_stream.follower.troubles import (
    Contradicted,
    ContradictsStored,
    Forked,
    NoAnswer,
    Unobtainable,
    Unreachable,
)
from trio_stream.follower.verdicts import BELIEVED, verdict


async def nodes(*tips: int) -> list[Node]:
    await trio.lowlevel.checkpoint()
    made = []
    for number, tip in enumerate(tips):
        node = Node(f"http://n{number}", NodeSettings(), run_sync=inline)
        node.tip = tip
        made.append(node)
    return made


def searching(allow_gaps: bool = False) -> Search:
    return Search(5, FollowSettings(allow_gaps=allow_gaps, others_have=100))


def note(search: Search, node: Node, error: Exception, times: int = BELIEVED) -> None:
    for _ in range(times):
        search.note(node, verdict(error, height=5, tip=node.tip), 0.0)


async def test_the_least_troubled_are_asked_first() -> None:
    search = searching()
    lagging, cut, good, resting = known = await nodes(4, 9, 9, 9)
    resting.pace.trouble()
    assert search.is_smooth
    note(search, cut, NoAnswer("x"), 2)
    assert not search.is_smooth
    assert search.cuts(cut) == 2
    assert search.wants_websocket(cut) and not search.wants_websocket(good)
    note(search, cut, NoAnswer("x"), 1)
    assert not search.wants_websocket(cut)
    assert search.order(known) == [good, cut]
    note(search, good, errors.Pruned("x"))
    assert search.order([lagging, good, resting]) == [resting]


async def test_pauses_grow_and_start_anew_below_the_tip() -> None:
    search = searching()
    (node,) = await nodes(5)
    assert search.pause(4) == FollowSettings().poll
    note(search, node, errors.ResultsNotThere("x"), 1)
    pauses = [search.pause(5) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (EXECUTED_FIRST, EXECUTED_LONGEST)
    search = searching()
    note(search, node, Unreachable("x"), 1)
    pauses = [search.pause(5) for _ in range(20)]
    assert (pauses[0], pauses[-1]) == (AGAIN_FIRST, AGAIN_LONGEST)


async def test_what_is_not_yet_there_is_never_given_up() -> None:
    search = searching()
    known = await nodes(5, 5)
    note(search, known[0], errors.ResultsNotThere("x"), 1000)
    assert search.conclusion(known, 1e9) is None


@pytest.mark.parametrize(
    ("error", "stopped"),
    [
        (errors.Pruned("x"), Unobtainable),
        (errors.BrokenLink("x"), Forked),
        (ContradictsStored("x"), Contradicted),
    ],
)
async def test_a_stop_is_believed_when_all_say_so_again(
    error: Exception, stopped: type[Exception]
) -> None:
    search = searching(allow_gaps=stopped is not Unobtainable)
    first, second = known = await nodes(9, 9)
    note(search, first, error, BELIEVED - 1)
    assert search.conclusion([first], 0) is None
    note(search, first, error, 1)
    assert search.conclusion(known, 99) is None
    with pytest.raises(stopped):
        search.conclusion(known, 101)
    note(search, second, error)
    with pytest.raises(stopped, match="n0: .*; n1: "):
        search.conclusion(known, 0)


def gap_of(known: Sequence[Node], *said: Exception) -> Gap:
    search = searching(allow_gaps=True)
    for node, error in zip(known, said, strict=True):
        note(search, node, error)
    gap = search.conclusion(known, 0)
    assert gap is not None
    return gap


async def test_a_gap_is_as_long_as_all_are_pruned() -> None:
    first, second = known = await nodes(20, 20)
    first.lowest, second.lowest = 12, 15
    pruned, broken = errors.Pruned("x"), errors.BrokenRecord("y")
    gap = gap_of(known, pruned, pruned)
    assert (gap.first, gap.last, gap.reason) == (5, 11, "pruned")
    assert gap.detail.endswith("n1: Pruned: x")
    assert gap_of(known, pruned, broken).last == 5
    second.lowest = None
    assert gap_of(known, pruned, pruned).last == 5
