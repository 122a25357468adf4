"""What the client reads of messages."""

from __future__ import annotations

import json

import pytest

from tests.scripted_feed import gap
from trio_stream.client import Gap
from trio_stream.client.messages import Event, Part, parse, part_of
from trio_stream.stream.position import Position


@pytest.mark.parametrize("text", ["{", "[]", "1", b"\xff", '"gap"'])
def test_what_is_no_object_is_no_message(text: str | bytes) -> None:
    assert parse(text) is None


def test_a_gap_is_a_message_of_its_own_type() -> None:
    message = parse(json.dumps(gap(2, 4)))
    assert isinstance(message, Gap)
    assert (message.first, message.last) == (2, 4)
    assert (message.reason, message.detail) == ("pruned", "no node has them")
    # It is the message, too.
    assert message == gap(2, 4)
    assert json.loads(json.dumps(message)) == gap(2, 4)


@pytest.mark.parametrize(
    "value",
    [None, 1, {}, {"first": 1, "last": "2", "reason": "", "detail": ""}],
)
def test_what_only_looks_like_a_gap_is_none(value: object) -> None:
    assert not isinstance(parse(json.dumps({"gap": value})), Gap)


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ({"height": 5, "index": 2}, None),
        ({"height": 5, "index": 2, "event_index": 7}, Part(Position(5, 2), 7)),
        ({"height": 5, "event_index": 0}, Part(Position.end_of(5), 0)),
    ],
)
def test_the_place_of_an_event(message: Event, part: Part | None) -> None:
    assert part_of(message) == part


@pytest.mark.parametrize(
    "message",
    [
        {"event_index": 1},
        {"height": "5", "event_index": 1},
        {"height": 5, "event_index": "1"},
        {"height": 5, "event_index": None},
        {"height": 5, "index": "0", "event_index": 1},
    ],
)
def test_an_event_says_where_it_stands(message: Event) -> None:
    with pytest.raises(ValueError, match="an event without its place"):
        part_of(message)
