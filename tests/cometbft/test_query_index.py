from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cometbft import made
from tests.cometbft.made import NEW, OLD, item
from tests.cometbft.naive import holds
from trio_stream.cometbft import query_conditions, query_index, query_memory
from trio_stream.cometbft.events import Attribute, Event
from trio_stream.cometbft.items import Item
from trio_stream.cometbft.queries import (
    EVERYTHING,
    Expression,
    Generation,
    OneEvent,
)
from trio_stream.cometbft.query_index import MAX_EVENTS, PART, QueryIndex
from trio_stream.cometbft.query_parser import parse


def matches(text: str, what: Item, generation: Generation = NEW) -> bool:
    index = QueryIndex()
    index.add(parse(text, generation))
    return bool(index.match(what))


BIG = item("big|value=99999999999999999999", "big2|value=18446744073709551615")
BIG_FLOAT = item(
    "big|floatvalue=99999999999999999999.10", "big2|floatvalue=18446744073709551615.6"
)
API = item(
    "tm|event=Tx",
    "tm|hash=XYZ",
    "tm|height=5",
    "rewards.withdraw|address=AddrA",
    "rewards.withdraw|address=AddrB",
    "rewards.withdraw|source=SrcX",
    "rewards.withdraw|source=SrcY",
    "rewards.withdraw|amount=100",
    "rewards.withdraw|amount=45",
    "transfer|sender=AddrC",
    "transfer|recipient=AddrD",
    "transfer|amount=160",
)
SLASH = item("slash|reason=missing_signature", "slash|power=6000")
TRANSFER = item("transfer|recipient=cosmos1gu6y2a0", "transfer|sender=cosmos1crje20")

# From libs/pubsub/query/query_test.go of 0.38; the last column is what 0.37 says, where it differs.
ENGINE = [
    ("tm.events.type='NewBlock'", item("tm|events.type=NewBlock"), True),
    ("tx.gas > 7", item("tx|gas=8"), True),
    ("transfer.amount > 7", item("transfer|amount=8stake"), True),
    ("transfer.amount > 7", item("transfer|amount=8.045"), True),
    ("transfer.amount > 7.043", item("transfer|amount=8.045stake"), True),
    ("transfer.amount > 8.045", item("transfer|amount=8.045stake"), False),
    ("tx.gas > 7 AND tx.gas < 9", item("tx|gas=8"), True),
    ("body.weight >= 3.5", item("body|weight=3.5"), True),
    ("account.balance < 1000.0", item("account|balance=900"), True),
    ("apples.kg <= 4", item("apples|kg=4.0"), True),
    ("body.weight >= 4.5", item("body|weight=4.5"), True),
    ("oranges.kg < 4 AND melons.kg > 10", item("oranges|kg=3", "melons|kg=12"), True),
    ("peaches.kg < 4", item("peaches|kg=5"), False),
    ("tx.date > DATE 2017-01-01", item("tx|date=2026-11-28"), True),
    ("tx.date = DATE 2017-01-01", item("tx|date=2017-01-01"), True),
    ("tx.date = DATE 2018-01-01", item("tx|date=2017-01-01"), False),
    (
        "tx.time >= TIME 2013-05-03T14:45:00Z",
        item("tx|time=2026-11-28T06:00:00Z"),
        True,
    ),
    (
        "tx.time = TIME 2013-05-03T14:45:00Z",
        item("tx|time=2018-05-03T14:45:00Z"),
        False,
    ),
    (
        "abci.owner.name CONTAINS 'Igor'",
        item("abci|owner.name=Igor", "abci|owner.name=I"),
        True,
    ),
    (
        "abci.owner.name CONTAINS 'Igor'",
        item("abci|owner.name=P", "abci|owner.name=I"),
        False,
    ),
    (
        "abci.owner.name = 'Igor'",
        item("abci|owner.name=Igor", "abci|owner.name=I"),
        True,
    ),
    ("abci.owner.name='I' AND abci.owner.name='J'", item("abci|owner.name=I"), False),
    ("tm.events.type='NewHeader' AND app.name='f'", item("app|name=f"), False),
    ("slash EXISTS", SLASH, True),
    ("slash EXISTS", TRANSFER, False),
    ("slash.reason EXISTS AND slash.power > 1000", SLASH, True),
    ("slash.reason EXISTS AND slash.power > 6000", SLASH, False),
    ("slash.reason EXISTS", TRANSFER, False),
    ("tm.event = 'Tx' AND rewards.withdraw.address = 'AddrA'", API, True),
    (
        "rewards.withdraw.address = 'AddrA' AND rewards.withdraw.source = 'SrcY'",
        API,
        True,
    ),
    ("tm.event = 'Tx' AND transfer.sender = 'AddrA'", API, False),
    ("tm.event = 'Tx' AND transfer.sender = 'AddrC'", API, True),
    ("tm.event = 'Tx' AND rewards.withdraw.source = 'W'", API, False),
    ("big.value >= 99999999999999999999", BIG, True),
    ("big.value > 99999999999999999998", BIG, True),
    ("big2.value <= 18446744073709551615", BIG, True),
    ("big.floatvalue >= 99999999999999999999", BIG_FLOAT, True),
    ("big.floatvalue > 99999999999999999998", BIG_FLOAT, True),
    ("big2.floatvalue <= 18446744073709551615.6", BIG_FLOAT, True),
    ("big2.floatvalue >= 12.5", BIG_FLOAT, True),
]


@pytest.mark.parametrize(("text", "what", "expected"), ENGINE)
def test_what_the_engine_s_own_tests_say(text: str, what: Item, expected: bool) -> None:
    assert matches(text, what) is expected
    assert matches(text, what, OLD) is expected


@pytest.mark.parametrize(
    ("text", "what", "new", "old"),
    [
        ("sl EXISTS", SLASH, False, True),
        ("slash = ''", SLASH, True, False),
        ("slash CONTAINS ''", SLASH, True, False),
        ("account.balance > 10", item("account|balance=10.6"), True, False),
        ("account.balance > 9.9", item("account|balance=x10"), False, True),
        ("tx.at > DATE 2013-05-03", item("tx|at=2013-05-03T14:45:00Z"), False, True),
        ("a.b EXISTS", item("a|b.c=1"), True, False),
        # Beyond what a floating-point number holds.
        (
            "a.b > 10000000000000000000.0",
            item("a|b=10000000000000000000.6"),
            True,
            False,
        ),
    ],
)
def test_what_changed_with_0_38(text: str, what: Item, new: bool, old: bool) -> None:
    assert (matches(text, what), matches(text, what, OLD)) == (new, old)


def test_conditions_hold_anywhere_in_the_item_or_in_one_event() -> None:
    query = parse(
        "tm.event='Tx' AND transfer.recipient='bob' AND transfer.amount='10stake'"
    )
    index = QueryIndex()
    index.add(query)
    index.add(OneEvent(query))

    def transfer(recipient: str, amount: str) -> Event:
        pairs = (("recipient", recipient), ("amount", amount))
        return Event("transfer", tuple(Attribute(*pair, True) for pair in pairs))

    fee, paid = transfer("fees", "10stake"), transfer("bob", "7stake")
    implied = (("tm.event", "Tx"),)
    assert index.match(Item((fee, paid), implied)) == (query,)
    assert index.match(Item((fee, transfer("bob", "10stake")), implied)) == (
        query,
        OneEvent(query),
    )
    assert index.match(Item((), implied)) == ()


def test_what_is_implied_holds_of_an_item_without_events() -> None:
    query = OneEvent(parse("tm.event='Tx' AND NOT a.b='c'"))
    index = QueryIndex()
    index.add(query)
    assert index.match(Item((), (("tm.event", "Tx"),))) == (query,)


QUERIES = st.lists(made.expressions(NEW, OLD), max_size=8)


@given(QUERIES, st.lists(made.ITEMS, max_size=5), st.integers(1, 5), st.data())
def test_the_index_agrees_with_the_queries_one_by_one(
    queries: list[Expression], items: list[Item], step: int, data: st.DataObject
) -> None:
    index = QueryIndex()
    for query in queries:
        index.add(query)

    def agrees() -> None:
        found = [each for part in index.steps(items, step=step) for each in part]
        left = dict.fromkeys(queries)
        assert [set(each) for each in found] == [
            {query for query in left if holds(query, what)} for what in items
        ]
        assert all(len(set(each)) == len(each) for each in found)
        assert [index.match(what) for what in items] == found

    agrees()
    while queries:
        gone = data.draw(st.sampled_from(queries))
        queries.remove(gone)
        index.discard(gone)
        assert len(index) == len(set(queries))
        agrees()


def test_a_query_is_there_as_long_as_it_is_counted() -> None:
    query = parse("a.b=1")
    index = QueryIndex()
    index.add(query)
    index.add(query)
    index.discard(query)
    assert index.match(item("a|b=1")) == (query,)
    index.discard(query)
    assert (index.match(item("a|b=1")), len(index)) == ((), 0)


def test_no_query_holds_of_nothing_but_the_one_without_conditions() -> None:
    index = QueryIndex()
    assert index.match(item()) == ()
    index.add(EVERYTHING)
    assert index.match(item()) == (EVERYTHING,)
    assert list(index.steps([])) == [[]]


def test_the_work_is_handed_out_in_steps() -> None:
    index = QueryIndex()
    queries = [parse(f"NOT a.b={number}") for number in range(50)]
    for query in queries:
        index.add(query)
    steps = list(index.steps([item("a|b=1")] * 3, step=10))
    assert len(steps) > 5
    assert sum(map(len, steps)) == 3
    large = Event("a", (Attribute("b", "1", True),) * (3 * PART))
    assert len(list(index.steps([Item((large,), ())], step=PART))) > 3


def test_what_is_remembered_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_conditions, "MAX_KEYS", 4)
    monkeypatch.setattr(query_memory, "MOST_BYTES", 4096)
    monkeypatch.setattr(query_index, "MAX_REMEMBERED", 4)
    index = QueryIndex()
    exists, *thresholds = map(
        parse, ["a.x1 EXISTS", *(f"a.b > {n}" for n in range(10))]
    )
    for each in (exists, *thresholds):
        index.add(each)
    attributes = tuple(Attribute(f"x{n}", "", True) for n in range(10))
    for _ in range(2):
        assert index.match(Item((Event("a", attributes),), ())) == (exists,)
        assert [len(index.match(item(f"a|b={n}"))) for n in range(12)] == [
            *range(11),
            10,
        ]


def test_values_of_all_keys_together_are_remembered_within_one_bound() -> None:
    index = QueryIndex()
    for number in range(1000):
        index.add(parse(f"a.k{number} > 5"))
    gc.collect()
    tracemalloc.start()
    try:
        for value in range(100):
            attributes = tuple(
                Attribute(f"k{number}", f"{value}.{number}", True)
                for number in range(1000)
            )
            index.match(Item((Event("a", attributes),), ()))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 2 * query_memory.MOST_BYTES


def test_queries_come_and_go() -> None:
    index = QueryIndex()
    texts = ["a.b > 3", "a.b CONTAINS '5'", "NOT a.b = 7", "a.b > 3 OR a.c = 1"]
    queries = [*map(parse, texts), OneEvent(parse("a.b < 6 AND a.c = 1"))]
    for _ in range(2):
        for query in queries:
            index.add(query)
    what = Item(
        (Event("a", (Attribute("b", "5", True), Attribute("c", "1", True))),), ()
    )
    assert index.match(what) == tuple(queries)
    for query in queries:
        index.discard(query)
    assert index.match(what) == tuple(queries)
    for number, query in enumerate(queries):
        index.discard(query)
        assert index.match(what) == tuple(queries[number + 1 :])
    assert not len(index)
    # They come again in another order.
    for query in reversed(queries):
        index.add(query)
    assert index.match(what) == tuple(reversed(queries))


def test_texts_are_looked_for_in_steps() -> None:
    index = QueryIndex()
    queries = [parse(f"a.b CONTAINS '{number}x'") for number in range(2000)]
    hashes = [parse(f"tx.hash CONTAINS '{number}x'") for number in range(2000)]
    for query in (*queries, *hashes):
        index.add(query)
    value = "y" * 50_000 + "1234x"
    what = Item(
        (Event("a", (Attribute("b", value, True),)),), (("tx.hash", "17x" * 10_000),)
    )
    steps = list(index.steps([what]))
    assert len(steps) > 5
    (found,) = steps[-1]
    assert found == tuple(
        [queries[n] for n in (4, 34, 234, 1234)] + [hashes[n] for n in (7, 17)]
    )
    # Once more: what is short is remembered.
    short = item("a|b=1234x")
    for _ in range(2):
        assert len(index.match(short)) == 4


def test_long_keys() -> None:
    index = QueryIndex()
    name = "x" * 300
    query = parse(f"a.{name} = 1")
    index.add(query)
    for _ in range(2):
        assert index.match(item(f"a|{name}=1")) == (query,)


def test_items_of_many_events() -> None:
    index = QueryIndex()
    query = OneEvent(parse("a.b > 3 AND a.c = 'x'"))
    index.add(query)
    for n in range(2 * MAX_EVENTS):
        index.add(parse(f"a.b = {n}"))
    events = tuple(
        Event("a", (Attribute("b", f"{n}", True), Attribute("c", "x" * (n > 20), True)))
        for n in range(2 * MAX_EVENTS)
    )
    for _ in range(2):
        assert index.match(Item(events, ()))[0] == query
        assert query not in index.match(Item(events[:20], ()))
