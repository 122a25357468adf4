"""What messages about a followed chain say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trio_stream.cometbft.events import Attribute, Event
from trio_stream.cometbft.followed import Gap
from trio_stream.cometbft.results import TxResult
from trio_stream.feeds.messages import (
    BlockHead,
    TxHead,
    block_event_texts,
    block_text,
    gap_text,
    position_of_block,
    transaction_event_texts,
    transaction_text,
)
from trio_stream.stream.position import parse_position
from trio_stream.stream.selection import Form

TIME = "2026-11-28T08:00:00.000000007Z"
BLOCK = BlockHead(7, "AB" * 32, TIME, 3)
HEAD = TxHead(BLOCK, 2, "CD" * 32)
EVENTS = (
    Event("transfer", (Attribute("to", "mé", True), Attribute("to", "you", False))),
    Event("", ()),
    Event("\ud800", ()),
)
RESULT = TxResult(5, b"\0\1", "it failed", "", 10, 9, "sdk", EVENTS)
SHOWN: list[dict[str, Any]] = [
    {
        "type": "transfer",
        "attributes": [{"key": "to", "value": "mé"}, {"key": "to", "value": "you"}],
    },
    {"type": "", "attributes": []},
    {"type": "\ud800", "attributes": []},
]
PLAIN_TX = {
    "height": 7,
    "index": 2,
    "tx_hash": "CD" * 32,
    "code": 5,
    "events": SHOWN,
}
PLACED_TX = {**PLAIN_TX, "time": TIME, "position": "7:2:cdcdcdcd"}
FULL_TX = {
    **PLACED_TX,
    "codespace": "sdk",
    "gas_wanted": 10,
    "gas_used": 9,
    "data": "AAE=",
    "log": "it failed",
    "info": "",
    "tx": "dHg=",
}


@pytest.mark.parametrize(
    ("form", "message"),
    [(Form.PLAIN, PLAIN_TX), (Form.POSITION, PLACED_TX), (Form.FULL, FULL_TX)],
)
def test_a_transaction(form: Form, message: dict[str, Any]) -> None:
    text = transaction_text(HEAD, "dHg=", RESULT, form)
    assert [*json.loads(text).items()] == [*message.items()]
    assert text.isascii()


@pytest.mark.parametrize("form", Form)
def test_a_block(form: Form) -> None:
    phased = [("begin", EVENTS[0]), ("finalize", EVENTS[1])]
    message = json.loads(block_text(BLOCK, phased, form))  # type: ignore[arg-type]
    assert message.pop("position", None) == (
        None if form is Form.PLAIN else "7::abababab"
    )
    assert message == {
        "height": 7,
        "hash": "AB" * 32,
        "time": TIME,
        "transactions": 3,
        "events": [
            {"phase": "begin", **SHOWN[0]},
            {"phase": "finalize", **SHOWN[1]},
        ],
    }


def test_only_the_last_event_of_a_transaction_says_where_to_go_on() -> None:
    texts = transaction_event_texts(HEAD, EVENTS, Form.POSITION, [0, 2])
    shared: dict[str, Any] = {
        "height": 7,
        "index": 2,
        "tx_hash": "CD" * 32,
        "phase": "tx",
    }
    assert [*map(json.loads, texts)] == [
        {**shared, "event_index": 0, **SHOWN[0], "time": TIME},
        {
            **shared,
            "event_index": 2,
            **SHOWN[2],
            "time": TIME,
            "position": "7:2:cdcdcdcd",
        },
    ]
    assert transaction_event_texts(HEAD, EVENTS, Form.PLAIN, []) == []
    (plain,) = transaction_event_texts(HEAD, EVENTS, Form.PLAIN, [1])
    assert json.loads(plain) == {**shared, "event_index": 1, **SHOWN[1]}


def test_so_it_is_for_events_of_a_block() -> None:
    phased = [("begin", EVENTS[0]), ("end", EVENTS[1])]
    texts = block_event_texts(BLOCK, phased, Form.FULL, [0, 1])  # type: ignore[arg-type]
    assert [*map(json.loads, texts)] == [
        {"height": 7, "phase": "begin", "event_index": 0, **SHOWN[0], "time": TIME},
        {
            **{"height": 7, "phase": "end", "event_index": 1, **SHOWN[1]},
            "time": TIME,
            "position": "7::abababab",
        },
    ]
    texts = block_event_texts(BLOCK, phased, Form.PLAIN, [0])  # type: ignore[arg-type]
    assert json.loads(texts[0]) == {
        **{"height": 7, "phase": "begin", "event_index": 0},
        **SHOWN[0],
    }


def test_a_gap_says_where_it_ends() -> None:
    message = json.loads(gap_text(Gap(5, 9, "pruned", "all nodes begin at 10")))
    assert message == {
        "gap": {
            "first": 5,
            "last": 9,
            "reason": "pruned",
            "detail": "all nodes begin at 10",
        },
        "position": "9",
    }


def test_positions_are_read_back() -> None:
    given = parse_position(position_of_block(BLOCK))
    assert given.position.is_end_of_block
    assert given.fingerprint == "abababab"
