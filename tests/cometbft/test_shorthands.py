from __future__ import annotations

import pytest

from trio_stream.cometbft.queries import EVERYTHING, And, OneEvent, Or
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.shorthands import SHORTHANDS, asked_for, shorthand


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sender", "message.sender = 'x'"),
        ("recipient", "transfer.recipient = 'x'"),
        ("action", "message.action = 'x'"),
    ],
)
def test_what_each_is_short_for(name: str, text: str) -> None:
    assert shorthand(name, "x") == parse(text)


def test_a_contract_is_under_several_keys() -> None:
    text = " OR ".join(f"{key} = 'x'" for key in SHORTHANDS["contract"])
    assert shorthand("contract", "x") == parse(text)
    assert "wasm._contract_address" in SHORTHANDS["contract"]


A, B = parse("a=1"), parse("b=1 AND c=1")


def test_what_a_subscriber_asks_for() -> None:
    assert asked_for([], {}, one_event=True) == EVERYTHING
    assert asked_for([A], {}, one_event=False) == A
    assert asked_for([A, B], {}, one_event=False) == Or((A, B))
    assert asked_for([B], {}, one_event=True) == OneEvent(B)
    assert asked_for([A, B], {}, one_event=True) == Or((OneEvent(A), OneEvent(B)))


def test_short_names_narrow_it_down() -> None:
    x, y = shorthand("sender", "x"), shorthand("sender", "y")
    assert asked_for([], {"sender": ["x"]}, one_event=True) == x
    assert asked_for([], {"sender": ["x", "y"]}, one_event=False) == Or((x, y))
    both = asked_for([A], {"sender": ["x"], "action": ["z"]}, one_event=True)
    assert both == And((OneEvent(A), x, shorthand("action", "z")))
