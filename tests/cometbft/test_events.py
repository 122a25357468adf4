from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.cometbft.errors import Malformed
from trio_stream.cometbft.events import (
    KNOWN,
    Attribute,
    Event,
    Spelling,
    keys_of,
    read_events,
    read_tags,
    spelling_of,
)


def in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def written(events: tuple[Event, ...], spelling: Spelling) -> list[dict[str, Any]]:
    spell = in_base64 if spelling is Spelling.BASE64 else str
    return [
        {
            "type": event.type,
            "attributes": [
                {"key": spell(key), "value": spell(value), "index": index}
                for key, value, index in event.attributes
            ],
        }
        for event in events
    ]


ATTRIBUTES = st.builds(
    Attribute, st.text(max_size=6), st.text(max_size=6), st.booleans()
)
EVENTS = st.lists(
    st.builds(Event, st.text(max_size=6), st.lists(ATTRIBUTES, max_size=3).map(tuple)),
    max_size=4,
).map(tuple)


@given(EVENTS, st.sampled_from(Spelling))
def test_events_are_read_as_they_were_written(
    events: tuple[Event, ...], spelling: Spelling
) -> None:
    assert read_events(written(events, spelling), spelling) == events


def test_all_that_may_be_absent() -> None:
    raw = [
        {},
        {"type": "a"},
        {"attributes": None},
        {"attributes": [{}, {"value": None}]},
    ]
    empty = Attribute("", "", False)
    for spelling in Spelling:
        assert read_events(raw, spelling) == (
            Event("", ()),
            Event("a", ()),
            Event("", ()),
            Event("", (empty, empty)),
        )
        assert read_events(None, spelling) == ()


@pytest.mark.parametrize(
    "raw",
    [
        "text",
        [None],
        [{"type": 1}],
        [{"attributes": "x"}],
        [{"attributes": [None]}],
        [{"attributes": [{"key": 1}]}],
        [{"attributes": [{"value": {}}]}],
    ],
)
def test_what_is_malformed(raw: object) -> None:
    for spelling in Spelling:
        with pytest.raises(Malformed):
            read_events(raw, spelling)


def test_plain_text_among_base64_is_malformed() -> None:
    with pytest.raises(Malformed, match="not base64"):
        read_events([{"attributes": [{"key": "not base64"}]}], Spelling.BASE64)


def test_bytes_that_are_no_text_are_replaced_one_by_one() -> None:
    value = b64encode(b"a\xe2\x82z\xff").decode()
    [event] = read_events(
        [{"attributes": [{"key": "", "value": value}]}], Spelling.BASE64
    )
    assert event.attributes[0].value == "a\ufffd\ufffdz\ufffd"


def test_keys_as_the_body_spells_them() -> None:
    raw = [
        {"attributes": [{"key": "a"}, {}]},
        {"attributes": [{"key": "b"}, {"key": "a"}]},
        {},
    ]
    assert set(keys_of(raw)) == {"a", "b", ""}
    assert list(keys_of(None)) == []


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_a_known_key_decides(key: str) -> None:
    assert spelling_of([key, "send"]) is Spelling.PLAIN
    assert spelling_of([in_base64(key), "send"]) is Spelling.BASE64


@pytest.mark.parametrize(
    ("keys", "spelling"),
    [
        ([], None),
        ([""], None),
        # Both are valid base64, of bytes that are no name.
        (["send", "true"], None),
        # Three letters in base64: too few to be sure.
        ([in_base64("abc")], None),
        ([in_base64("abc"), in_base64("pool_id"), in_base64("share")], Spelling.BASE64),
        (["pool_id"], Spelling.PLAIN),
        (["send", "not base64"], Spelling.PLAIN),
        ([in_base64("a_very_long_name"), "send"], None),
    ],
)
def test_other_keys_decide_if_they_can(
    keys: list[str], spelling: Spelling | None
) -> None:
    assert spelling_of(keys) is spelling


def test_tags_become_events() -> None:
    raw = [
        {"key": in_base64("app.creator"), "value": in_base64("me")},
        {"key": in_base64("a.b.c")},
        {"key": in_base64("alone"), "value": in_base64("x")},
    ]
    assert read_tags(raw) == (
        Event("app", (Attribute("creator", "me", False),)),
        Event("a.b", (Attribute("c", "", False),)),
        Event("", (Attribute("alone", "x", False),)),
    )
    assert read_tags(None) == ()
