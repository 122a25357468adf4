"""Which selections a run concerns."""

from __future__ import annotations

import pytest

from tests.feeds.test_runs import BLOCKS, END
from tests.log.followed.made import event, made
from trio_stream.cometbft.query_parser import parse
from trio_stream.feeds.matching import Chosen, FeedIndex, Matched
from trio_stream.feeds.runs import cut
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.stream.selection import Form

(RUN,) = cut(BLOCKS, after=END(4))
# Rows: 5:0, 5:1, the end of 5, the end of 6, the gap, 10:0, the end of 10.
GAP = Chosen(4)


def matched(*selections: FeedSelection) -> Matched:
    index = FeedIndex()
    for each in selections:
        index.add(each)
    found: Matched = {}
    for _ in index.match(RUN, found):
        pass
    return found


@pytest.mark.parametrize(
    ("feed", "query", "expected"),
    [
        (Feed.TRANSACTIONS, "transfer EXISTS", [Chosen(0), Chosen(1), GAP, Chosen(5)]),
        (Feed.TRANSACTIONS, "tx.height = 10", [GAP, Chosen(5)]),
        (Feed.TRANSACTIONS, "mint EXISTS", [GAP]),
        (Feed.BLOCKS, "tm.event EXISTS", [Chosen(2), Chosen(3), GAP, Chosen(6)]),
        (Feed.BLOCKS, "transfer EXISTS", [GAP]),
        (
            Feed.EVENTS,
            "tm.event EXISTS",
            [Chosen(0, [0]), Chosen(1, [0]), Chosen(2, [0, 1]), GAP, Chosen(5, [0])],
        ),
    ],
)
def test_each_gets_what_it_asked_for(
    feed: Feed, query: str, expected: list[Chosen]
) -> None:
    selection = FeedSelection(feed, query=parse(query))
    assert matched(selection) == {selection: expected}


def test_forms_of_one_query_are_one_question() -> None:
    query = parse("tx.height = 10")
    plain, full = FeedSelection(query=query), FeedSelection(form=Form.FULL, query=query)
    found = matched(plain, full)
    assert found[plain] == found[full] == [GAP, Chosen(5)]


def test_without_a_gap_only_those_concerned_come_out() -> None:
    index = FeedIndex()
    assert not index
    one, two = FeedSelection(), FeedSelection(query=parse("a.b = 'c'"))
    index.add(one)
    index.add(two)
    assert index
    (run,) = cut([BLOCKS[0]], after=END(4))
    found: Matched = {}
    assert [*index.match(run, found)]
    assert found == {one: [Chosen(0), Chosen(1)]}
    index.discard(one)
    index.discard(two)
    assert not index
    assert [*index.match(run, found)] == []


def test_selections_come_and_go_while_a_run_is_matched() -> None:
    index = FeedIndex()
    stays, goes = FeedSelection(), FeedSelection(Feed.BLOCKS)
    comes, came_and_went = FeedSelection(Feed.EVENTS), FeedSelection(form=Form.FULL)
    index.add(stays)
    index.add(goes)
    found: Matched = {}
    for number, _ in enumerate(index.match(RUN, found)):
        if not number:
            index.discard(goes)
            index.add(comes)
            index.add(came_and_went)
            index.discard(came_and_went)
    assert found[stays]
    assert found[comes] is None
    assert came_and_went not in found
    again: Matched = {}
    for _ in index.match(RUN, again):
        pass
    assert again.keys() == {stays, comes}


def test_many_that_come_meanwhile_do_so_in_steps() -> None:
    index, found = FeedIndex(), Matched()
    stays = FeedSelection()
    index.add(stays)
    many = [FeedSelection(query=parse(f"a.b = {number}")) for number in range(50)]
    later = FeedSelection(query=parse("a.b = 'later'"))
    steps = 0
    for steps, _ in enumerate(index.match(RUN, found)):
        if not steps:
            for each in many:
                index.add(each)
        elif steps == 20:
            index.add(later)
            index.discard(many[0])
    assert steps >= 50
    assert found[stays]
    assert all(found[each] is None for each in (*many[1:], later))
    assert many[0] not in found
    again: Matched = {}
    for _ in index.match(RUN, again):
        pass
    assert not any(again.get(each, ()) is None for each in (*many, later))


def test_one_row_with_very_many_events_is_matched_in_many_steps() -> None:
    block = made(5, [event("x", f"n={number}") for number in range(20_000)])
    run, *_ = cut([block], after=END(4))
    index, found = FeedIndex(), Matched()
    every = [
        FeedSelection(Feed.EVENTS, query=parse(f"x.n EXISTS AND tx.height > {height}"))
        for height in range(4)
    ]
    for each in every:
        index.add(each)
    steps = sum(1 for _ in index.match(run, found))
    assert steps > 10
    for each in every:
        chosen = found[each]
        assert chosen is not None
        assert [one.row for one in chosen] == [0]
        assert list(chosen[0].events) == list(range(20_000))


def test_selections_with_too_many_conditions_turn_to_the_log() -> None:
    index = FeedIndex(most=3)
    first, second, third = (
        FeedSelection(query=parse(f"tx.height = 5 OR a.b = '{number}'"))
        for number in range(3)
    )

    def found() -> Matched:
        found: Matched = {}
        for _ in index.match(RUN, found):
            pass
        return found

    index.add(first)
    index.add(second)
    assert found() == {first: [Chosen(0), Chosen(1), GAP], second: None}
    # What is left is for those that come next; who stands aside is never forgotten.
    index.discard(first)
    index.add(third)
    assert found() == {third: [Chosen(0), Chosen(1), GAP], second: None}
    index.discard(second)
    assert found() == {third: [Chosen(0), Chosen(1), GAP]}
    index.discard(third)
    assert not index
    assert found() == {}
