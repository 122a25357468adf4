from __future__ import annotations

import pytest

from tests.jsonrpc.test_subscriptions import OLD, TX, add, announced
from tests.log.followed.made import made, transfer
from trio_stream.cometbft.queries import Generation
from trio_stream.cometbft.query_parser import parse
from trio_stream.jsonrpc.lines import NEWEST, Line
from trio_stream.jsonrpc.subscription import MOST_MORE, key_of
from trio_stream.jsonrpc.subscriptions import Subscriptions


def test_ids_of_early_releases_have_a_suffix() -> None:
    assert add(Subscriptions(), TX, "a", line=OLD).id == b'"a#event"'
    assert add(Subscriptions(), TX, 5, line=OLD).id == b'"5#event"'
    assert add(Subscriptions(), TX, 5).id == b"5"


def test_keys_are_queries_or_their_texts() -> None:
    texts = TX, "tm.event  =  'Tx'"
    assert len({key_of(text, parse(text), NEWEST) for text in texts}) == 1
    assert len({key_of(text, parse(text), OLD) for text in texts}) == 2


def test_what_is_read_in_two_ways_looks_different() -> None:
    lines = NEWEST, NEWEST, Line(Generation.UP_TO_0_37)
    one, same, old = (add(Subscriptions(), TX, line=line) for line in lines)
    assert one.head == same.head == old.head
    assert one.look == same.look != old.look


@pytest.mark.parametrize("has_positions", [False, True])
def test_frames_in_parts(has_positions: bool) -> None:
    these = Subscriptions()
    one = add(these, TX, has_positions=has_positions)
    found = announced(made(7, [transfer("a")], [transfer("b")]), these)
    frames = [one.start(found, number) + found.tails[number] for number in (3, 4)]
    assert b"".join(one.frames(found, [3, 4])) == b"".join(frames)
    assert (b'"position"' in frames[0]) is has_positions
    assert len(one.start(found, 3)) <= len(one.head) + MOST_MORE


def test_going_on() -> None:
    one = add(Subscriptions(), TX, skipped=3)
    assert not one.is_at_start
    one.go_on()
    assert one.is_at_start and one.height == 8
    one.number = 1
    assert not one.is_at_start
