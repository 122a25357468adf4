"""The index says where queries may hold: too much at times, too little never."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cometbft.made import ITEMS, NEW, OLD, expressions
from tests.log.followed.made import CHAIN, event, made, transfer
from trio_stream.cometbft.items import Item, tx_implied
from trio_stream.cometbft.queries import OneEvent
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.cometbft.query_parser import parse
from trio_stream.log.followed.index import FLAGGED, NOTHING, Index, IndexedKeys
from trio_stream.log.followed.matches import candidates
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.matches import Span
from trio_stream.stream.position import key_of

ALL = Span(0, key_of(1 << 30, 0))
SETTINGS = [FLAGGED, NOTHING, IndexedKeys(frozenset(["a.b", "tx.height"]))]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with FollowedLog.open(tmp_path_factory.mktemp("log")) as log:
        yield log


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(ITEMS, min_size=1, max_size=8),
    expressions(NEW, OLD),
    st.sampled_from(SETTINGS),
    st.booleans(),
)
def test_no_place_is_left_out(empty, items, query, keys, flags):
    db = empty.connection
    asked = QueryIndex()
    asked.add(query)
    db.execute("BEGIN")
    try:
        index = Index(db, keys)
        holds = set()
        for at, (events, _) in enumerate(items, 1):
            events = tuple(
                each._replace(
                    attributes=tuple(a._replace(indexed=flags) for a in each.attributes)
                )
                for each in events
            )
            index.add(at, events)
            if asked.match(Item(events, tx_implied("AB" * 32, at))):
                holds.add(at)
        found = candidates(db, query, ALL, looks=1000)
    finally:
        db.execute("ROLLBACK")
    assert found is None or holds <= set(found.keys)
    assert found is None or found.until == ALL.until


@pytest.fixture
def filled(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        log.begin(CHAIN)
        for height in range(5, 25):
            tx = [transfer(f"r{height % 4}"), event("wasm", "x=" + "y" * 300)]
            ended = [event("mint", f"amount={height}", indexed=False)]
            log.append(made(height, tx, [event("plain")], ended=ended))
        yield log


def found(log, text, *, span=ALL, looks=1000):
    return candidates(log.connection, parse(text), span, looks=looks)


def places(log, text):
    some = found(log, text)
    return [(key >> 26, key & ((1 << 26) - 1)) for key in some.keys]


def test_a_value_is_found_at_its_places_alone(filled):
    expected = [(height, 0) for height in (6, 10, 14, 18, 22)]
    assert places(filled, "transfer.recipient = 'r2'") == expected
    both = "transfer.recipient = 'r2' OR transfer.recipient = 'r3'"
    assert len(places(filled, both)) == 10
    # The other condition holds nearly everywhere.
    assert places(filled, "transfer EXISTS AND transfer.recipient='r2'") == expected
    assert places(filled, "tx.height=6 AND transfer.recipient='r2'") == expected
    assert places(filled, "transfer.recipient = 'nobody'") == []
    assert places(filled, "unknown.key = 'r2'") == []
    one = OneEvent(parse("transfer.recipient = 'r2'"))
    some = candidates(filled.connection, one, ALL, looks=1000)
    assert some is not None and len(some.keys) == 5


def test_what_has_no_value_in_the_index_is_found_by_type(filled):
    ends = [(height, (1 << 26) - 1) for height in range(5, 25)]
    assert places(filled, "mint.amount = '7'") == ends
    assert places(filled, "mint.amount > 7") == ends
    assert places(filled, "plain EXISTS") == [(height, 1) for height in range(5, 25)]
    assert places(filled, "never.seen > 7") == []


def test_long_values_are_candidates_for_each_other(filled):
    for value in ("y" * 300, "y"):
        assert len(places(filled, f"wasm.x = '{value}'")) == 20


def test_a_hash_is_found(filled):
    tx_hash = made(7, []).block.tx_hashes[0]
    assert places(filled, f"tx.hash = '{tx_hash}'") == [(7, 0)]
    for other in (tx_hash.lower(), "x", ""):
        assert places(filled, f"tx.hash = '{other}'") == []


@pytest.mark.parametrize(
    "text",
    [
        "tm.event = 'Tx'",
        "tx.height > 3",
        "NOT transfer.recipient = 'r2'",
        "tx.hash CONTAINS 'A'",
        "transfer.recipient = 'r2' OR tx.height = 4",
        f"{'k' * 300}.x = 'y'",
    ],
)
def test_some_queries_may_hold_anywhere(filled, text):
    assert found(filled, text) is None


def test_it_looks_at_no_more_than_it_may(filled):
    text = "mint.amount = '7'"
    first = found(filled, text, looks=3)
    assert len(first.keys) == 3
    assert first.until == first.keys[-1]
    rest = found(filled, text, span=Span(first.until, ALL.until), looks=1000)
    assert [*first.keys, *rest.keys] == found(filled, text).keys
    assert rest.until == ALL.until


def test_without_types_all_is_looked_at(filled):
    Index(filled.connection, NOTHING).add(
        1, made(5, [event("mint")]).results.txs[0].events
    )
    assert found(filled, "mint.amount = '7'") is None
    assert found(filled, "transfer.recipient = 'r2'") is not None
