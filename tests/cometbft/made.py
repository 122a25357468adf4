"""Items and queries for tests, and strategies that make them."""

from __future__ import annotations

from hypothesis import strategies as st

from trio_stream.cometbft.events import Attribute, Event
from trio_stream.cometbft.items import Item
from trio_stream.cometbft.queries import (
    And,
    Condition,
    Expression,
    Generation,
    Kind,
    Not,
    OneEvent,
    Operator,
    Or,
)

NEW, OLD = Generation.FROM_0_38, Generation.UP_TO_0_37


def item(*pairs: str) -> Item:
    """An item of events of one attribute each, as `type|key=value`."""
    events = []
    for pair in pairs:
        kind, _, attribute = pair.partition("|")
        key, _, value = attribute.partition("=")
        events.append(Event(kind, (Attribute(key, value, True),)))
    return Item(tuple(events), ())


TYPES = st.sampled_from(["a", "a.b", "tx", "b", "", "wasm-x::y"])
KEYS = st.sampled_from(["b", "c", "b.c", "height", ""])
NAMES = st.sampled_from(
    [
        "a",
        "a.b",
        "a.c",
        "a.b.c",
        "a.b.b",
        "b.b",
        "b",
        "tx.height",
        "tm.event",
        "tm",
        "wasm-x::y.c",
    ]
)
NUMBERS = [
    "0",
    "5",
    "05",
    "5.5",
    "5.0",
    "12",
    "1.25",
    "8",
    "123456789012345678901234567890",
]
DATES = ["2013-05-03", "2013-05-04", "1999-12-31"]
TIMES = ["2013-05-03T14:45:00Z", "2013-05-03T16:45:00+02:00", "2013-05-03T14:45:01Z"]
VALUES = st.sampled_from(
    [
        *NUMBERS,
        *DATES,
        *TIMES,
        "",
        "x",
        "xy",
        "y",
        "8atom",
        "x8",
        "5.5.5",
        "-5",
        ".5",
        "5.",
        "8.5x",
    ]
    + ["2013-05-03T14:45:00.5Z", "T", "Tx", "NewBlock"]
)
EVENTS = st.builds(
    Event,
    TYPES,
    st.lists(st.builds(Attribute, KEYS, VALUES, st.booleans()), max_size=3).map(tuple),
)
ITEMS = st.builds(
    Item,
    st.lists(EVENTS, max_size=4).map(tuple),
    st.sampled_from(
        [(), (("tm.event", "Tx"), ("tx.height", "5")), (("tm.event", "NewBlock"),)]
    ),
)


def conditions(generation: Generation) -> st.SearchStrategy[Condition]:
    ordered = st.sampled_from(
        [each for each in Operator if each not in (Operator.CONTAINS, Operator.EXISTS)]
    )
    numbers = [each for each in NUMBERS if generation is NEW or each != "05"]

    def of(
        operators: st.SearchStrategy[Operator], kind: Kind, operands: list[str]
    ) -> st.SearchStrategy[Condition]:
        operand = st.sampled_from(operands)
        return st.builds(
            Condition, NAMES, operators, st.just(kind), operand, st.just(generation)
        )

    return st.one_of(
        of(ordered, Kind.NUMBER, numbers),
        of(ordered, Kind.DATE, DATES),
        of(ordered, Kind.TIME, TIMES),
        of(
            st.sampled_from([Operator.EQUAL, Operator.CONTAINS]),
            Kind.TEXT,
            ["", "x", "5", "Tx", "8atom", "NewBlock"],
        ),
        of(st.just(Operator.EXISTS), Kind.TEXT, [""]),
    )


def expressions(*generations: Generation) -> st.SearchStrategy[Expression]:
    def joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        parts = st.lists(inner, max_size=3).map(tuple)
        return st.one_of(
            st.builds(And, parts),
            st.builds(Or, parts),
            st.builds(Not, inner),
            st.builds(OneEvent, inner),
        )

    single: st.SearchStrategy[Expression] = st.one_of(*map(conditions, generations))
    return st.recursive(single, joined, max_leaves=5)
